"""Short links over HTTP: made and listed as JSON, followed by a redirect, shown as a page."""
from flask import Flask, Response, jsonify, redirect, render_template, request
from marshmallow import Schema, ValidationError, fields, validate
from redis.exceptions import RedisError

import jobs

app = Flask(__name__)


class LinkSchema(Schema):
    target = fields.Url(schemes=["http", "https"], required=True, require_tld=False, validate=validate.Length(max=2000))


def shown(link):
    return {"code": link.code, "target": link.target, "followed": link.followed, "made": link.made.isoformat()}


@app.get("/health")
def health():
    try:
        jobs.connection().ping()
        return {"ok": True, "waiting": len(jobs.queue())}
    except RedisError as error:
        return {"ok": False, "error": f"redis: {error}"}, 503


@app.get("/")
def page():
    return render_template("links.html", links=[shown(link) for link in jobs.store().newest()])


@app.get("/api/links")
def links():
    return jsonify(links=[shown(link) for link in jobs.store().newest()])


@app.post("/api/links")
def add():
    try:
        target = LinkSchema().load(request.get_json())["target"]
    except ValidationError as error:
        return {"error": error.messages}, 400
    link = jobs.store().add(target)
    jobs.queue().enqueue(jobs.draw, link.code, f"{request.host_url}{link.code}")
    return shown(link), 201


@app.get("/<code>")
def follow(code):
    link = jobs.store().find(code)
    if link is None:
        return {"error": f"there is no link {code}"}, 404
    jobs.queue().enqueue(jobs.count, link.id, result_ttl=0)
    return redirect(link.target)


@app.get("/<code>.svg")
def picture(code):
    drawn = jobs.connection().get(f"qr:{code}")
    if drawn is None:
        return {"error": f"there is no picture of {code} yet"}, 404
    return Response(drawn, mimetype="image/svg+xml")
