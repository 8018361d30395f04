"""The only rooms that know FastAPI and ASGI: how a request comes in and how an answer goes out."""
