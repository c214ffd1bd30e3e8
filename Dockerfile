# fer-bench on CPUs. Build and run from a clone:
#   docker build -t fer-bench .
#   docker run --rm -v "$PWD/data:/app/data:ro" -v "$PWD/results:/app/results" fer-bench --models cnn --epochs 5
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY constraints.txt pyproject.toml setup.py README.md LICENSE benchmark.py ./
COPY fer_bench fer_bench
COPY architectures architectures
COPY experiments experiments
RUN pip install --no-cache-dir -c constraints.txt -e '.[export]'
ENTRYPOINT ["python", "benchmark.py"]
CMD ["--help"]
