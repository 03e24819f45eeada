"""Beyond one machine: each replica of Ray Serve is a whole server with its own worker processes.

    pip install "ray[serve]"
    VIZINHO_API_KEYS=... serve run deploy.ray_serve:app

Ray is no dependency of vizinho. Every machine needs the package and the same store (VIZINHO_HOME on a shared disk).
Limits count within a replica.
"""

from __future__ import annotations

import os

from fastapi import FastAPI
from ray import serve

REPLICAS = int(os.environ.get("VIZINHO_REPLICAS", "2"))
WORKERS = int(os.environ.get("VIZINHO_WORKERS", "2"))
"""Worker processes in a replica; as many cores are asked of Ray."""


def replica() -> FastAPI:
    """The application of one replica, made where it runs."""
    from vizinho.server.app import create_app
    from vizinho.server.run import ServeOptions, make_service
    from vizinho.server.security.keys import keys_from

    return create_app(make_service(ServeOptions(host="0.0.0.0", workers=WORKERS), keys_from()))


@serve.deployment(
    num_replicas=REPLICAS,
    max_ongoing_requests=160,
    ray_actor_options={"num_cpus": WORKERS},
    health_check_period_s=10,
    graceful_shutdown_timeout_s=40,
)
@serve.ingress(replica)
class Vizinho:
    """What Ray makes copies of; the application does everything."""


app = Vizinho.bind()
