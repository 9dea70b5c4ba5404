# phasemap on a machine with NVIDIA GPUs:
#   docker build -t phasemap .
#   docker run --rm --gpus all -v "$PWD/runs:/runs" phasemap run bn-fig3a --preset quick --out /runs/map
# Holds no key: give W&B's with -e WANDB_API_KEY. Data sets: -v /your/data:/data -e PHASEMAP_DATA_DIR=/data
FROM pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime

RUN useradd --create-home researcher
WORKDIR /opt/phasemap

# The dependencies are a layer of their own, made anew only when pyproject.toml changes. The image's torch satisfies them.
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > /tmp/requirements.txt \
    && python -m pip install --no-cache-dir -r /tmp/requirements.txt

COPY . .
RUN python -m pip install --no-cache-dir --no-deps . && mkdir /runs && chown researcher /runs

USER researcher
WORKDIR /runs
ENTRYPOINT ["phasemap"]
CMD ["--help"]
