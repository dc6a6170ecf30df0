// Shapes of projects of Python with a framework.
import { type Shape, shape } from './shape.ts';

const fastapi = "from fastapi import FastAPI\n\napp = FastAPI()\n\n@app.get('/health')\ndef health():\n    return {}\n";

export const pythonShapes: readonly Shape[] = [
  shape(
    'pip, flask and gunicorn',
    {
      'requirements.txt': 'flask==3.0.0 --hash=sha256:aa\ngunicorn==21.2.0 --hash=sha256:bb\n',
      'app.py':
        "from flask import Flask\napp = Flask(__name__)\n\n@app.route('/healthz')\ndef ok():\n    return 'ok'\n",
    },
    `
    project app
    app . python flask service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages --require-hashes -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m gunicorn --bind 0.0.0.0:5000 app:app [high] <- app.py: makes the application "app"
      port     5000 [medium] <- app.py: makes the application "app"
      health   /healthz [medium] <- app.py: line 4 answers /healthz
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'pip without versions, flask alone',
    {
      'requirements.txt': 'flask\n',
      'app.py': 'app = Flask(__name__)\n',
      '.python-version': '3.11.4\n',
    },
    `
    project app
    app . python flask service [high]
      version  3.11.4 <- .python-version: its line says 3.11.4
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m flask --app app:app run --host 0.0.0.0 --port 5000 [high] <- app.py: makes the application "app"
      port     5000 [medium] <- app.py: makes the application "app"
    note .: no file names the project: it is called "app"; mend: change project.name
    note app.py: no server for production is among its packages: Flask's own is for development; mend: add gunicorn
    note requirements.txt: not every package has an exact version: another day brings others; mend: write "==" versions with hashes: pip-compile --generate-hashes
  `,
  ),
  shape(
    'poetry, fastapi and uvicorn',
    {
      'pyproject.toml':
        '[tool.poetry]\nname = "orders"\n[tool.poetry.dependencies]\npython = "^3.11"\nfastapi = "^0.110"\nuvicorn = "*"\n',
      'poetry.lock': '',
      'orders/main.py': fastapi,
      'orders/__init__.py': '',
    },
    `
    project orders
    orders . python fastapi service [high]
      version  ^3.11 <- pyproject.toml: tool.poetry.dependencies.python says ^3.11
      runtime  python3 3.11.2
      manager  poetry
      install  python3 -c 'import tomllib; [print(p["name"] + "==" + p["version"] + (" ; " + p["markers"] if isinstance(p.get("markers"), str) else ""), *["--hash=" + f["hash"] for f in p["files"]]) for p in tomllib.load(open("poetry.lock", "rb"))["package"] if "main" in p.get("groups", [p.get("category", "main")])]' > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --no-deps --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 orders.main:app [high] <- orders/main.py: makes the application "app"
      port     8000 [medium] <- orders/main.py: makes the application "app"
      health   /health [medium] <- orders/main.py: line 5 answers /health
      lock     poetry.lock (poetry)
  `,
  ),
  shape(
    'uv, fastapi with its standard parts, src layout',
    {
      'pyproject.toml':
        '[project]\nname = "pricing"\nrequires-python = ">=3.11"\ndependencies = ["fastapi[standard]>=0.115"]\n',
      'uv.lock': '',
      'src/pricing/api.py': fastapi,
      'src/pricing/__init__.py': '',
      '.python-version': '3.11',
    },
    `
    project pricing
    pricing . python fastapi service [high]
      version  3.11 <- .python-version: its line says 3.11
      runtime  python3 3.11.2
      manager  uv
      install  python3 -c 'import tomllib; [print(p["name"] + "==" + p["version"], *["--hash=" + f["hash"] for f in [*p.get("wheels", []), *([p["sdist"]] if "sdist" in p else [])]]) for p in tomllib.load(open("uv.lock", "rb"))["package"] if "registry" in p["source"]]' > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --no-deps --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 pricing.api:app [high] <- src/pricing/api.py: makes the application "app"
      port     8000 [medium] <- src/pricing/api.py: makes the application "app"
      health   /health [medium] <- src/pricing/api.py: line 5 answers /health
      lock     uv.lock (uv)
  `,
  ),
  shape(
    'pipenv and django with gunicorn and whitenoise',
    {
      Pipfile: '[packages]\ndjango = "*"\ngunicorn = "*"\nwhitenoise = "*"\n[requires]\npython_version = "3.11"\n',
      'Pipfile.lock': '{}',
      'manage.py': 'import django',
      'mysite/wsgi.py': '',
      'mysite/asgi.py': '',
      'mysite/urls.py': "urlpatterns = [path('health/', health)]\n",
    },
    `
    project app
    app . python django service [high]
      version  3.11 <- Pipfile: requires says 3.11
      runtime  python3 3.11.2
      manager  pipenv
      install  python3 -c 'import json; [print(n + p["version"] + (" ; " + p["markers"] if "markers" in p else ""), *["--hash=" + h for h in p["hashes"]]) for n, p in json.load(open("Pipfile.lock"))["default"].items()]' > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --no-deps --require-hashes -r .requirements.txt
      build    PYTHONPATH=.packages python3 manage.py collectstatic --noinput
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m gunicorn --bind 0.0.0.0:8000 mysite.wsgi:application [high] <- mysite/wsgi.py: the application of Django
      port     8000 [medium] <- mysite/wsgi.py: the application of Django
      health   /health [medium] <- mysite/urls.py: line 1 answers /health
      lock     Pipfile.lock (pipenv)
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'django with its own server',
    {
      'requirements.txt': 'Django==4.2\n',
      'manage.py': 'import django',
      'shop/wsgi.py': '',
    },
    `
    project app
    app . python django service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 manage.py runserver 0.0.0.0:8000 [low] <- manage.py: how Django starts
      port     8000 [low] <- manage.py: the port of django
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note manage.py: no server for production is among its packages: Django's own is for development; mend: add gunicorn
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'django under uvicorn',
    {
      'requirements.txt': 'django==5.0\nuvicorn==0.29\n',
      'manage.py': 'import django',
      'shop/wsgi.py': '',
      'shop/asgi.py': '',
    },
    `
    project app
    app . python django service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 shop.asgi:application [high] <- shop/asgi.py: the application of Django
      port     8000 [medium] <- shop/asgi.py: the application of Django
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'a Python that Debian 12 does not have',
    {
      'pyproject.toml': '[project]\nname = "new"\nrequires-python = ">=3.13"\ndependencies = ["fastapi", "uvicorn"]\n',
      'uv.lock': '',
      'main.py': fastapi,
    },
    `
    project new
    new . python fastapi service [high]
      version  >=3.13 <- pyproject.toml: project.requires-python says >=3.13
      manager  uv
      install  python3 -c 'import tomllib; [print(p["name"] + "==" + p["version"], *["--hash=" + f["hash"] for f in [*p.get("wheels", []), *([p["sdist"]] if "sdist" in p else [])]]) for p in tomllib.load(open("uv.lock", "rb"))["package"] if "registry" in p["source"]]' > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --no-deps --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 main:app [high] <- main.py: makes the application "app"
      port     8000 [medium] <- main.py: makes the application "app"
      health   /health [medium] <- main.py: line 5 answers /health
      lock     uv.lock (uv)
    note pyproject.toml: wants Python >=3.13, and Debian 12 has 3.11.2; mend: let it run on Python 3.11, or name a base image with that version by its digest
  `,
  ),
  shape(
    'runtime.txt of a platform',
    {
      'requirements.txt': 'flask==3.0.0\nwaitress==3.0\n',
      'runtime.txt': 'python-3.9.18\n',
      'wsgi.py': 'app = Flask(__name__)\n',
    },
    `
    project app
    app . python flask service [high]
      version  3.9.18 <- runtime.txt: its line says 3.9.18
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      start    python3 -m waitress --listen=0.0.0.0:5000 wsgi:app [high] <- wsgi.py: makes the application "app"
      port     5000 [medium] <- wsgi.py: makes the application "app"
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
    note runtime.txt: wants Python 3.9.18, and Debian 12 has 3.11.2; mend: let it run on Python 3.11, or name a base image with that version by its digest
  `,
  ),
  shape(
    'a factory of flask and a port in code',
    {
      'requirements.txt': 'flask==3.0.0\n',
      'server.py':
        "app = create_app()\nif __name__ == '__main__':\n    app.run(host='0.0.0.0', port=int(os.environ.get('PORT', 5050)))\n",
    },
    `
    project app
    app . python flask service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 server.py [high] <- server.py: makes the application "app"
      port     5050 [medium] <- server.py: line 3 listens on 5050
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
];
