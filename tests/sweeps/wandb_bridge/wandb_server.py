"""A W&B server on the loopback interface, as small as the unmodified `wandb` client and agent let it be.

It knows grid sweeps, agents, runs with their config and summary, and reading them back through `wandb.Api()`. It
answers every query with all it has on the object, asked for or not, so it needs no GraphQL. It can be told to answer
with errors for a while, and to vanish and come back at the same address with all its memory.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

ENTITY = "testers"
NOW = "2020-01-01T00:00:00Z"


def global_id(*parts: str) -> str:
    """An opaque identifier; the client takes some apart."""
    return base64.b64encode(":".join(parts).encode()).decode()


@dataclass
class Run:
    """One run; ``cell`` is its place in the grid of its sweep."""

    name: str
    project: str
    sweep: str | None = None
    cell: int | None = None
    agent: str | None = None
    state: str = "pending"
    preempting: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: int = 0
    files: dict[str, bytes] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Everything the client may ask of it."""
        return {
            "__typename": "Run",
            "id": global_id("Run", "v1", self.name, self.project, ENTITY),
            "projectId": "1",
            "name": self.name,
            "displayName": self.name,
            "sweepName": self.sweep,
            "state": self.state,
            "config": json.dumps(self.config),
            "summaryMetrics": json.dumps(self.summary),
            "systemMetrics": "{}",
            "historyLineCount": self.history,
            "historyKeys": {"lastStep": self.history, "sets": [], "keys": {}},
            "tags": [],
            "readOnly": False,
            "createdAt": NOW,
            "heartbeatAt": NOW,
            "user": {"name": ENTITY, "username": ENTITY},
            "project": project_document(self.project),
            **dict.fromkeys(("group", "jobType", "commit", "description", "notes", "exitcode", "shouldStop")),
            **dict.fromkeys(("eventsTail", "historyTail", "logLineCount", "eventsLineCount", "wandbConfig")),
        }


@dataclass
class Sweep:
    """One sweep over the grid of its config, names sorted, the last fastest."""

    name: str
    project: str
    config: str
    state: str = "RUNNING"

    def grid(self) -> list[dict[str, Any]]:
        """The parameters of every cell."""
        entries = sorted(yaml.safe_load(self.config)["parameters"].items())
        axes = [[(name, value) for value in entry.get("values", [entry.get("value")])] for name, entry in entries]
        return [dict(point) for point in itertools.product(*axes)]

    def document(self) -> dict[str, Any]:
        """Everything the client may ask of it."""
        return {
            "__typename": "Sweep",
            "id": global_id("Sweep", self.name),
            "name": self.name,
            "method": "grid",
            "state": self.state,
            "config": self.config,
            "createdAt": NOW,
            "updatedAt": NOW,
            "heartbeatAt": NOW,
            "runCount": 0,
            "runCountExpected": len(self.grid()),
            "earlyStopJobRunning": False,
            "runs": {"edges": []},
            "project": project_document(self.project),
            **dict.fromkeys(("displayName", "description", "bestLoss", "controller", "scheduler")),
        }


def project_document(name: str) -> dict[str, Any]:
    """A project as runs and sweeps mention it."""
    return {"id": global_id("Project", name), "name": name, "entity": {"id": global_id("Entity"), "name": ENTITY}}


class WandbServer:
    """The server and its memory, to be read at any time: ``requests`` by operation, ``received`` the bodies whole."""

    def __init__(self) -> None:
        self.sweeps: dict[str, Sweep] = {}
        self.runs: dict[str, Run] = {}
        self.agents: dict[str, str] = {}
        self.requests: list[str] = []
        self.received: list[bytes] = []
        self.unknown: list[str] = []
        self.memory = threading.RLock()
        self.faults = 0
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """For WANDB_BASE_URL."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, folder: Any) -> dict[str, str]:
        """What a client's environment needs; its files go to ``folder``."""
        places = {
            f"WANDB_{name}": str(folder / name.lower()) for name in ("DIR", "CONFIG_DIR", "CACHE_DIR", "DATA_DIR")
        }
        for place in places.values():
            (folder / place).mkdir(exist_ok=True)
        return {**places, "WANDB_BASE_URL": self.url, "WANDB_API_KEY": "0" * 40, "WANDB_ERROR_REPORTING": "false"}

    def start(self) -> None:
        """Begins, or comes back, to answer."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.answer(*server.handle(self.path, body))

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                _, _, run, name = self.path.lstrip("/").split("/", 3)
                server.runs[run].files[name] = body
                self.answer(200, {})

            def answer(self, status: int, document: Any) -> None:
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass  # a client that was killed

        self.http = Quiet(("127.0.0.1", self.port), Handler)
        self.port = self.http.server_port
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Vanishes; what it knows is kept."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def handle(self, path: str, body: bytes) -> tuple[int, Any]:
        """Status and answer to a POST."""
        self.received.append(body)
        if path.startswith("/sdk/"):  # telemetry
            return 200, {}
        with self.memory:
            if self.faults:
                self.faults -= 1
                self.requests.append("error 500")
                return 500, {"error": "told to"}
            request = json.loads(body)
            if path.startswith("/files/"):
                return 200, self.file_stream(self.runs[path.split("/")[4]], request)
            return self.graphql(request["query"], request.get("variables") or {})

    def graphql(self, query: str, values: dict[str, Any]) -> tuple[int, Any]:
        """Status and answer to a query, told by the field that it asks of the root."""
        answers = {
            "upsertSweep(": self.upsert_sweep,
            "createAgent(": self.create_agent,
            "agentHeartbeat(": self.heartbeat,
            "upsertBucket(": self.upsert_run,
            "createRunFiles(": self.create_files,
            "deleteRun(": self.delete_run,
            "bucket(": self.resume_status,
            "sweep(sweepName": self.one_sweep,
            "runs(filters": self.many_runs,
            "run(name": self.one_run,
            "viewer": self.viewer,
            "serverInfo": lambda _: {"serverInfo": {"features": []}},
            "entity(name": lambda _: {"entity": {"organization": None}},
        }
        for mark, answer in answers.items():
            if mark in query:
                self.requests.append(mark.split("(")[0])
                try:
                    return 200, {"data": answer(values)}
                except LookupError as error:
                    return 404, {"errors": [{"message": f"not found: {error}"}]}
                except PermissionError as error:
                    return 400, {"errors": [{"message": str(error)}]}
        self.unknown.append(query)
        return 200, {"data": None, "errors": [{"message": "unknown to this server"}]}

    def viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        """The one user there is."""
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        user = {
            "id": global_id("User"),
            "entity": ENTITY,
            "username": ENTITY,
            "email": "",
            "flags": "{}",
            "teams": teams,
        }
        return {"viewer": user}

    def upsert_sweep(self, values: dict[str, Any]) -> dict[str, Any]:
        """Registers a sweep, or sets the state of one."""
        if values.get("id"):
            sweep = next(sweep for sweep in self.sweeps.values() if sweep.document()["id"] == values["id"])
            sweep.state = values["state"]
            return {"upsertSweep": {"sweep": sweep.document(), "configValidationWarnings": []}}
        name = f"sweep{len(self.sweeps)}"
        self.sweeps[name] = Sweep(name, values["projectName"] or "uncategorized", values["config"])
        return {"upsertSweep": {"sweep": self.sweeps[name].document(), "configValidationWarnings": []}}

    def create_agent(self, values: dict[str, Any]) -> dict[str, Any]:
        """Registers an agent; a finished sweep takes none."""
        if self.sweeps[values["sweep"]].state != "RUNNING":
            raise PermissionError(f"Sweep {values['sweep']} is not running")
        name = global_id("Agent", str(len(self.agents)))
        self.agents[name] = values["sweep"]
        return {"createAgent": {"agent": {"id": name}}}

    def heartbeat(self, values: dict[str, Any]) -> dict[str, Any]:
        """Hears which runs an agent still has, and gives it one if it has none."""
        agent, alive = values["id"], json.loads(values["runState"])
        sweep = self.sweeps[self.agents[agent]]
        for run in self.runs.values():
            if run.agent == agent and run.name not in alive and run.state == "running":
                run.state = "crashed"  # its process ended without a word
        commands = [] if alive else [self.next_command(sweep, agent)]
        return {"agentHeartbeat": {"agent": {"id": agent}, "commands": json.dumps(commands)}}

    def miss_heartbeats(self) -> None:
        """Minutes pass: runs of which nothing is heard have crashed."""
        with self.memory:
            for run in self.runs.values():
                run.state = "crashed" if run.state == "running" else run.state

    def next_command(self, sweep: Sweep, agent: str) -> dict[str, Any]:
        """A preempted run again, else the next cell without a run, else the end."""
        of_sweep = [run for run in self.runs.values() if run.sweep == sweep.name]
        grid = sweep.grid()
        for run in of_sweep:
            if run.state == "preempted":
                run.state, run.agent, run.preempting = "running", agent, False
                return self.command("resume", run, grid)
        for cell in range(len(grid)):
            if cell not in {run.cell for run in of_sweep}:
                run = Run(f"run{time.monotonic_ns():x}", sweep.project, sweep.name, cell, agent, "running")
                self.runs[run.name] = run
                return self.command("run", run, grid)
        sweep.state = "FINISHED"
        return {"type": "exit"}

    def command(self, kind: str, run: Run, grid: list[dict[str, Any]]) -> dict[str, Any]:
        """What an agent is told to start."""
        assert run.cell is not None
        args = {name: {"value": value} for name, value in grid[run.cell].items()}
        return {"type": kind, "run_id": run.name, "program": "phasemap", "args": args}

    def upsert_run(self, values: dict[str, Any]) -> dict[str, Any]:
        """A run starts, or tells its config."""
        run = self.runs.setdefault(values["name"], Run(values["name"], values["project"]))
        run.sweep = run.sweep or values.get("sweep")
        if values.get("config"):
            run.config = json.loads(values["config"])
        if run.state == "pending":
            run.state = "running"
        return {"upsertBucket": {"bucket": run.document(), "inserted": False}}

    def resume_status(self, values: dict[str, Any]) -> dict[str, Any]:
        """What a resumed run was."""
        run = self.runs.get(values["name"])
        return {"model": {"id": global_id("Project"), "name": values["project"], "bucket": run and run.document()}}

    def file_stream(self, run: Run, request: dict[str, Any]) -> dict[str, Any]:
        """A running run's history and summary, and its end."""
        for name, part in (request.get("files") or {}).items():
            if name == "wandb-summary.json":
                run.summary = json.loads(part["content"][-1])
            elif name == "wandb-history.jsonl":
                run.history += len(part["content"])
        run.preempting |= bool(request.get("preempting"))
        if request.get("complete"):
            failed = "preempted" if run.preempting else "failed"
            run.state = failed if request.get("exitcode") else "finished"
        return {"stopped": False}

    def create_files(self, values: dict[str, Any]) -> dict[str, Any]:
        """Where a run may put its files."""
        at = f"{self.url}/storage/{values['project']}/{values['run']}"
        files = [{"name": name, "uploadUrl": f"{at}/{name}"} for name in values["files"]]
        return {"createRunFiles": {"runID": global_id("Run"), "uploadHeaders": [], "files": files}}

    def delete_run(self, values: dict[str, Any]) -> dict[str, Any]:
        """Frees the run's cell; a finished sweep stays finished until it is resumed."""
        name = next(name for name, run in self.runs.items() if run.document()["id"] == values["id"])
        del self.runs[name]
        return {"deleteRun": {"clientMutationId": None}}

    def one_sweep(self, values: dict[str, Any]) -> dict[str, Any]:
        """A sweep, by the name that either spelling of the query gives."""
        sweep = self.sweeps.get(values.get("sweep") or values.get("name") or "")
        return {"project": {**project_document(str(values["project"])), "sweep": sweep and sweep.document()}}

    def one_run(self, values: dict[str, Any]) -> dict[str, Any]:
        """One run by its name."""
        return {"project": {**project_document(str(values["project"])), "run": self.runs[values["name"]].document()}}

    def many_runs(self, values: dict[str, Any]) -> dict[str, Any]:
        """The runs of a sweep, a page at a time."""
        wanted = json.loads(values["filters"]).get("sweep")
        found = [run for run in self.runs.values() if wanted in (None, run.sweep)]
        start, size = int(values["cursor"] or 0), values["perPage"]
        page = found[start : start + size]
        edges = [{"node": run.document(), "cursor": str(start + i + 1)} for i, run in enumerate(page)]
        after = {"endCursor": str(start + len(page)), "hasNextPage": start + size < len(found)}
        runs = {"edges": edges, "pageInfo": after}
        return {"project": {"internalId": "1", "runCount": len(found), "readOnly": False, "runs": runs}}
