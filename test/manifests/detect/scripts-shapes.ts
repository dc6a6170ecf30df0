// Shapes of projects of Python without one, or with something beside it.
import { type Shape, shape } from './shape.ts';

export const scriptShapes: readonly Shape[] = [
  shape(
    'a plain server',
    { 'main.py': "HTTPServer(('0.0.0.0', 9000), Handler).serve_forever()\n" },
    `
    project app
    app . python service [medium]
      runtime  python3 3.11.2
      manager  pip
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 main.py [medium] <- main.py: the usual name of a start
      port     9000 [medium] <- main.py: line 1 listens on 9000
    note .: no file names the project: it is called "app"; mend: change project.name
  `,
  ),
  shape(
    'a bot',
    { 'requirements.txt': 'discord.py==2.3.2\n', 'bot.py': 'client.run(token)\n' },
    `
    project app
    app . python worker [medium]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 bot.py [medium] <- bot.py: the usual name of a start
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note bot.py: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'streamlit',
    { 'requirements.txt': 'streamlit==1.40.0\n', 'dashboard.py': 'import streamlit as st\n' },
    `
    project app
    app . python streamlit service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m streamlit run dashboard.py --server.address=0.0.0.0 --server.port=8501 [high] <- dashboard.py: uses streamlit
      port     8501 [medium] <- dashboard.py: uses streamlit
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'a package that can be run',
    {
      'pyproject.toml': '[project]\nname = "crawler"\nversion = "1"\ndependencies = []\n',
      'crawler/__main__.py': 'run()\n',
      'crawler/__init__.py': '',
    },
    `
    project crawler
    crawler . python worker [medium]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages .
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m crawler [high] <- crawler/__main__.py: a package that can be run
    note crawler/__main__.py: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
    note pyproject.toml: no lock file: another day brings other versions; mend: write one: uv lock, or pip-compile --generate-hashes
  `,
  ),
  shape(
    'a script of a package',
    {
      'pyproject.toml':
        '[project]\nname = "mailer"\ndependencies = ["aiosmtplib"]\n[project.scripts]\nmailer = "mailer.cli:main"\n',
      'uv.lock': '',
      'mailer/cli.py': '',
    },
    `
    project mailer
    mailer . python worker [medium]
      runtime  python3 3.11.2
      manager  uv
      install  python3 -c 'import tomllib; [print(p["name"] + "==" + p["version"], *["--hash=" + f["hash"] for f in [*p.get("wheels", []), *([p["sdist"]] if "sdist" in p else [])]]) for p in tomllib.load(open("uv.lock", "rb"))["package"] if "registry" in p["source"]]' > .requirements.txt
      install  python3 -m pip install --no-compile --target .packages --no-deps --require-hashes -r .requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -c 'from mailer.cli import main; main()' [high] <- pyproject.toml: the script "mailer"
      lock     uv.lock (uv)
    note pyproject.toml: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
  `,
  ),
  shape(
    'a library of Python',
    {
      'pyproject.toml': '[project]\nname = "units"\n[build-system]\nrequires = ["hatchling"]\n',
      'units/__init__.py': '',
    },
    `
    project units
    library . python <- pyproject.toml: has nothing that starts
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
  shape(
    'pyproject.toml that is no TOML',
    {
      'pyproject.toml': '[project\nname = ',
      'requirements.txt': 'flask==3.0.0\ngunicorn==22.0\n',
      'app.py': 'app = Flask(__name__)\n',
    },
    `
    project app
    app . python flask service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m gunicorn --bind 0.0.0.0:5000 app:app [high] <- app.py: makes the application "app"
      port     5000 [medium] <- app.py: makes the application "app"
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note pyproject.toml: is not TOML: it decides nothing; mend: mend it: Invalid TOML document: illegal character in key
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'a Procfile with a web and a worker of celery',
    {
      'requirements.txt': 'django==4.2\ngunicorn==22\ncelery==5\n',
      'manage.py': 'django',
      'core/wsgi.py': '',
      Procfile: 'web: gunicorn core.wsgi --bind 0.0.0.0:$PORT\nworker: celery -A core worker\n',
    },
    `
    project app
    app . python django service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    gunicorn core.wsgi --bind 0.0.0.0:$PORT [high] <- Procfile: its web line
      port     8000 [medium] <- core/wsgi.py: the application of Django
      process  worker: celery -A core worker
      lock     requirements.txt (pip)
    overlay . procfile <- Procfile: is there
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'django with assets of vite',
    {
      'requirements.txt': 'django==4.2\ngunicorn==22\n',
      'manage.py': 'django',
      'core/wsgi.py': '',
      'package.json': { name: 'assets', scripts: { build: 'vite build' }, devDependencies: { vite: '5' } },
      'package-lock.json': '{}',
      'index.html': '',
    },
    `
    project assets
    assets . python django service [high]
      runtime  node 24.21.0, python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      install  npm ci
      build    npm run build
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m gunicorn --bind 0.0.0.0:8000 core.wsgi:application [high] <- core/wsgi.py: the application of Django
      port     8000 [medium] <- core/wsgi.py: the application of Django
      lock     requirements.txt (pip)
      lock     package-lock.json (npm)
    assets . node <- package-lock.json: a lock of npm
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'starlette under hypercorn',
    {
      'requirements.txt': 'starlette==0.37\nhypercorn==0.16\n',
      'svc/app.py': 'application = Starlette(routes=routes)\n',
    },
    `
    project app
    app . python starlette service [high]
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages -r requirements.txt
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 -m hypercorn --bind 0.0.0.0:8000 svc.app:application [high] <- svc/app.py: makes the application "application"
      port     8000 [medium] <- svc/app.py: makes the application "application"
      lock     requirements.txt (pip)
    note .: no file names the project: it is called "app"; mend: change project.name
    note requirements.txt: versions without hashes: what is fetched can't be checked; mend: pip-compile --generate-hashes
  `,
  ),
  shape(
    'setup.py with a server of aiohttp',
    {
      'setup.py': "setup(name='old', python_requires='>=3.6', install_requires=['aiohttp>=3'])\n",
      'old/server.py': 'web.run_app(app, port=8085)\n',
    },
    `
    project app
    app . python aiohttp service [high]
      version  >=3.6 <- setup.py: python_requires says >=3.6
      runtime  python3 3.11.2
      manager  pip
      install  python3 -m pip install --no-compile --target .packages .
      collect  cp -a . /out/
      tools    python3 python3-pip
      start    python3 old/server.py [high] <- old/server.py: makes the application "web"
      port     8085 [medium] <- old/server.py: line 1 listens on 8085
    note .: no file names the project: it is called "app"; mend: change project.name
    note setup.py: no lock file: another day brings other versions; mend: write one: uv lock, or pip-compile --generate-hashes
  `,
  ),
];
