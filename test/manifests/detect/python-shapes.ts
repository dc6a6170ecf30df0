// Shapes of projects of Python.
import { type Shape, shape } from './shape.ts';

const fastapi = "from fastapi import FastAPI\n\napp = FastAPI()\n\n@app.get('/health')\ndef health():\n    return {}\n";

export const pythonShapes: readonly Shape[] = [
  shape('pip, flask and gunicorn', {
    'requirements.txt': 'flask==3.0.0 --hash=sha256:aa\ngunicorn==21.2.0 --hash=sha256:bb\n',
    'app.py': "from flask import Flask\napp = Flask(__name__)\n\n@app.route('/healthz')\ndef ok():\n    return 'ok'\n",
  }, `
    project app
    app . python flask service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages --require-hashes -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m gunicorn --bind 0.0.0.0:5000 app:app [high] <- app.py: makes the application "app"
      port     5000 [medium] <- app.py: makes the application "app"
      health   /healthz [medium] <- app.py: line 4 answers /healthz
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
  `),
  shape('pip without versions, flask alone', {
    'requirements.txt': 'flask\n', 'app.py': "app = Flask(__name__)\n", '.python-version': '3.11.4\n',
  }, `
    project app
    app . python flask service [high]
      version  3.11.4 <- .python-version: its line says 3.11.4
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m flask --app app:app run --host 0.0.0.0 --port 5000 [high] <- app.py: makes the application "app"
      port     5000 [medium] <- app.py: makes the application "app"
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note app.py: no server for production is among its packages: Flask's own is for development; mend: add gunicorn
    note requirements.txt: not every package has an exact version: another day brings others; mend: write "==" versions with hashes: pip-compile --generate-hashes
  `),
  shape('poetry, fastapi and uvicorn', {
    'pyproject.toml': '[tool.poetry]\nname = "orders"\n[tool.poetry.dependencies]\npython = "^3.11"\nfastapi = "^0.110"\nuvicorn = "*"\n', 'poetry.lock': '', 'orders/main.py': fastapi, 'orders/__init__.py': '',
  }, `
    project orders
    orders . python fastapi service [high]
      version  ^3.11 <- pyproject.toml: tool.poetry.dependencies.python says ^3.11
      runtime  python3 3.11.2
      manager  poetry
      install  poetry export --only main > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 orders.main:app [high] <- orders/main.py: makes the application "app"
      port     8000 [medium] <- orders/main.py: makes the application "app"
      health   /health [medium] <- orders/main.py: line 5 answers /health
      lock     poetry.lock (poetry)
  `),
  shape('uv, fastapi with its standard parts, src layout', {
    'pyproject.toml': '[project]\nname = "pricing"\nrequires-python = ">=3.11"\ndependencies = ["fastapi[standard]>=0.115"]\n', 'uv.lock': '', 'src/pricing/api.py': fastapi, 'src/pricing/__init__.py': '', '.python-version': '3.11',
  }, `
    project pricing
    pricing . python fastapi service [high]
      version  3.11 <- .python-version: its line says 3.11
      runtime  python3 3.11.2
      manager  uv
      install  uv export --frozen --no-dev --no-emit-workspace > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 pricing.api:app [high] <- src/pricing/api.py: makes the application "app"
      port     8000 [medium] <- src/pricing/api.py: makes the application "app"
      health   /health [medium] <- src/pricing/api.py: line 5 answers /health
      lock     uv.lock (uv)
  `),
  shape('pipenv and django with gunicorn and whitenoise', {
    Pipfile: '[packages]\ndjango = "*"\ngunicorn = "*"\nwhitenoise = "*"\n[requires]\npython_version = "3.11"\n', 'Pipfile.lock': '{}',
    'manage.py': 'import django', 'mysite/wsgi.py': '', 'mysite/asgi.py': '', 'mysite/urls.py': "urlpatterns = [path('health/', health)]\n",
  }, `
    project app
    app . python django service [high]
      version  3.11 <- Pipfile: requires says 3.11
      runtime  python3 3.11.2
      manager  pipenv
      install  pipenv requirements --hash > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --require-hashes -r .requirements.txt
      build    PYTHONPATH=.packages python3 manage.py collectstatic --noinput
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m gunicorn --bind 0.0.0.0:8000 mysite.wsgi:application [high] <- mysite/wsgi.py: the application of Django
      port     8000 [medium] <- mysite/wsgi.py: the application of Django
      health   /health [medium] <- mysite/urls.py: line 1 answers /health
      lock     Pipfile.lock (pipenv)
    note .: no file names the project: it is called "app"; mend: change project.name
  `),
  shape('django with its own server', {
    'requirements.txt': 'Django==4.2\n', 'manage.py': 'import django', 'shop/wsgi.py': '',
  }, `
    project app
    app . python django service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 manage.py runserver 0.0.0.0:8000 [low] <- manage.py: how Django starts
      port     8000 [low] <- manage.py: the port of django
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note manage.py: no server for production is among its packages: Django's own is for development; mend: add gunicorn
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('django under uvicorn', {
    'requirements.txt': 'django==5.0\nuvicorn==0.29\n', 'manage.py': 'import django', 'shop/wsgi.py': '', 'shop/asgi.py': '',
  }, `
    project app
    app . python django service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 shop.asgi:application [high] <- shop/asgi.py: the application of Django
      port     8000 [medium] <- shop/asgi.py: the application of Django
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('a Python that Debian 12 does not have', {
    'pyproject.toml': '[project]\nname = "new"\nrequires-python = ">=3.13"\ndependencies = ["fastapi", "uvicorn"]\n', 'uv.lock': '', 'main.py': fastapi,
  }, `
    project new
    new . python fastapi service [high]
      version  >=3.13 <- pyproject.toml: project.requires-python says >=3.13
      manager  uv
      install  uv export --frozen --no-dev --no-emit-workspace > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      start    python3 -m uvicorn --host 0.0.0.0 --port 8000 main:app [high] <- main.py: makes the application "app"
      port     8000 [medium] <- main.py: makes the application "app"
      health   /health [medium] <- main.py: line 5 answers /health
      lock     uv.lock (uv)
    note pyproject.toml: wants Python >=3.13, and Debian 12 has 3.11.2; mend: let it run on Python 3.11, or name a base image with that version by its digest
  `),
  shape('runtime.txt of a platform', {
    'requirements.txt': 'flask==3.0.0\nwaitress==3.0\n', 'runtime.txt': 'python-3.9.18\n', 'wsgi.py': 'app = Flask(__name__)\n',
  }, `
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
  `),
  shape('a factory of flask and a port in code', {
    'requirements.txt': 'flask==3.0.0\n', 'server.py': "app = create_app()\nif __name__ == '__main__':\n    app.run(host='0.0.0.0', port=int(os.environ.get('PORT', 5050)))\n",
  }, `
    project app
    app . python flask service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 server.py [high] <- server.py: makes the application "app"
      port     5050 [medium] <- server.py: line 3 listens on 5050
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('a plain server', { 'main.py': "HTTPServer(('0.0.0.0', 9000), Handler).serve_forever()\n" }, `
    project app
    app . python service [medium]
      runtime  python3 3.11.2
      manager  pip
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 main.py [medium] <- main.py: the usual name of a start
      port     9000 [medium] <- main.py: line 1 listens on 9000
    note .: no file names the project: it is called "app"; mend: change project.name
  `),
  shape('a bot', { 'requirements.txt': 'discord.py==2.3.2\n', 'bot.py': 'client.run(token)\n' }, `
    project app
    app . python worker [medium]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 bot.py [medium] <- bot.py: the usual name of a start
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note bot.py: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('streamlit', { 'requirements.txt': 'streamlit==1.40.0\n', 'dashboard.py': 'import streamlit as st\n' }, `
    project app
    app . python streamlit service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m streamlit run dashboard.py --server.address=0.0.0.0 --server.port=8501 [high] <- dashboard.py: uses streamlit
      port     8501 [medium] <- dashboard.py: uses streamlit
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('a package that can be run', {
    'pyproject.toml': '[project]\nname = "crawler"\nversion = "1"\ndependencies = []\n', 'crawler/__main__.py': 'run()\n', 'crawler/__init__.py': '',
  }, `
    project crawler
    crawler . python worker [medium]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages .
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m crawler [high] <- crawler/__main__.py: a package that can be run
    note crawler/__main__.py: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
    note pyproject.toml: no lock file: another day brings other versions; mend: write one: uv lock, or pip-compile --generate-hashes
  `),
  shape('a script of a package', {
    'pyproject.toml': '[project]\nname = "mailer"\ndependencies = ["aiosmtplib"]\n[project.scripts]\nmailer = "mailer.cli:main"\n', 'uv.lock': '', 'mailer/cli.py': '',
  }, `
    project mailer
    mailer . python worker [medium]
      runtime  python3 3.11.2
      manager  uv
      install  uv export --frozen --no-dev --no-emit-workspace > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -c 'from mailer.cli import main; main()' [high] <- pyproject.toml: the script "mailer"
      lock     uv.lock (uv)
    note pyproject.toml: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
  `),
  shape('a library of Python', { 'pyproject.toml': '[project]\nname = "units"\n[build-system]\nrequires = ["hatchling"]\n', 'units/__init__.py': '' }, `
    project units
    library . python <- pyproject.toml: has nothing that starts
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
    note pyproject.toml: no lock file: another day brings other versions; mend: write one: uv lock, or pip-compile --generate-hashes
  `),
  shape('pyproject.toml that is no TOML', { 'pyproject.toml': '[project\nname = ', 'requirements.txt': 'flask==3.0.0\ngunicorn==22.0\n', 'app.py': 'app = Flask(__name__)\n' }, `
    project app
    app . python flask service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m gunicorn --bind 0.0.0.0:5000 app:app [high] <- app.py: makes the application "app"
      port     5000 [medium] <- app.py: makes the application "app"
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note pyproject.toml: is not TOML: it decides nothing; mend: mend it: Invalid TOML document: illegal character in key
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('a Procfile with a web and a worker of celery', {
    'requirements.txt': 'django==4.2\ngunicorn==22\ncelery==5\n', 'manage.py': 'django', 'core/wsgi.py': '', Procfile: 'web: gunicorn core.wsgi --bind 0.0.0.0:$PORT\nworker: celery -A core worker\n',
  }, `
    project app
    app . python django service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    gunicorn core.wsgi --bind 0.0.0.0:$PORT [high] <- Procfile: its web line
      port     8000 [medium] <- core/wsgi.py: the application of Django
      process  worker: celery -A core worker
      lock     requirements.txt (pip)
    overlay . procfile <- Procfile: is there
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('django with assets of vite', {
    'requirements.txt': 'django==4.2\ngunicorn==22\n', 'manage.py': 'django', 'core/wsgi.py': '',
    'package.json': { name: 'assets', scripts: { build: 'vite build' }, devDependencies: { vite: '5' } }, 'package-lock.json': '{}', 'index.html': '',
  }, `
    project assets
    assets . python django service [high]
      runtime  node 24.21.0, python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      install  npm ci
      build    npm run build
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m gunicorn --bind 0.0.0.0:8000 core.wsgi:application [high] <- core/wsgi.py: the application of Django
      port     8000 [medium] <- core/wsgi.py: the application of Django
      lock     requirements.txt (pip)
      lock     package-lock.json (npm)
    assets . node <- package-lock.json: a lock of npm
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('starlette under hypercorn', { 'requirements.txt': 'starlette==0.37\nhypercorn==0.16\n', 'svc/app.py': 'application = Starlette(routes=routes)\n' }, `
    project app
    app . python starlette service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 -m hypercorn --bind 0.0.0.0:8000 svc.app:application [high] <- svc/app.py: makes the application "application"
      port     8000 [medium] <- svc/app.py: makes the application "application"
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `),
  shape('setup.py with a server of aiohttp', { 'setup.py': "setup(name='old', python_requires='>=3.6', install_requires=['aiohttp>=3'])\n", 'old/server.py': "web.run_app(app, port=8085)\n" }, `
    project app
    app . python aiohttp service [high]
      version  >=3.6 <- setup.py: python_requires says >=3.6
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages .
      collect  cp -a . /out/
      tools    python3 python3-pip python3-venv
      start    python3 old/server.py [high] <- old/server.py: makes the application "web"
      port     8085 [medium] <- old/server.py: line 1 listens on 8085
    note .: no file names the project: it is called "app"; mend: change project.name
    note setup.py: no lock file: another day brings other versions; mend: write one: uv lock, or pip-compile --generate-hashes
  `),
];
