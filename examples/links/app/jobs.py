"""What is done later, by the worker: pictures of links, and counting. Also how both reach Redis."""
import io
import os
from functools import lru_cache
from pathlib import Path

import qrcode
import qrcode.image.svg
from redis import Redis
from rq import Queue

from store import Store

# A picture is drawn again when it is asked for a day later.
KEPT_SECONDS = 86_400


@lru_cache(maxsize=None)
def connection():
    password = Path(os.environ["REDIS_PASSWORD_FILE"]).read_text().strip()
    return Redis(host=os.environ["REDIS_HOST"], port=6379, password=password, socket_timeout=5)


@lru_cache(maxsize=None)
def store():
    return Store(os.environ["LINKS_FILE"])


def queue():
    return Queue("links", connection=connection())


def draw(code, address):
    """Keeps the QR code of an address as SVG."""
    picture = qrcode.make(address, image_factory=qrcode.image.svg.SvgPathImage)
    out = io.BytesIO()
    picture.save(out)
    connection().set(f"qr:{code}", out.getvalue(), ex=KEPT_SECONDS)


def count(id):
    store().count_follow(id)
