"""uvicorn with our protocol class: whole applications over real sockets."""
