# phasemap on a machine with NVIDIA GPUs:
#   docker build -t phasemap .
#   mkdir -p runs
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -e HOME=/tmp -v "$PWD/runs:/runs" phasemap \
#       run bn-fig3a --preset quick --out /runs/map
# Holds no key: give W&B's with -e WANDB_API_KEY. Data sets: -v /your/data:/data -e PHASEMAP_DATA_DIR=/data
FROM pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime

RUN groupadd --gid 10001 researcher \
    && useradd --uid 10001 --gid 10001 --create-home researcher \
    && install --directory --owner 10001 --group 10001 /runs
WORKDIR /opt/phasemap

# The dependencies are a layer of their own, made anew only when pyproject.toml changes. The image's torch satisfies them.
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && python -m pip install --no-cache-dir -r requirements.txt

# Named one by one, and .dockerignore names the kinds of files in them: no key, no result, can get into the image.
COPY LICENSE README.md ./
COPY src src/
COPY theory theory/
COPY models models/
COPY train train/
COPY sweeps sweeps/
RUN python -m pip install --no-cache-dir --no-deps .

# By number, so that a cluster sees that it is not root.
USER 10001:10001
WORKDIR /runs
ENTRYPOINT ["phasemap"]
CMD ["--help"]
