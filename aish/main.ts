// The entry of `aish`: reads the environment and the command line, and ends with the exit code of the outcome.
import { main } from './program.ts';

const { HERMESH_HOME, XDG_STATE_HOME, HOME = '/root', USER = 'someone', TEKTON_NAME } = process.env;
process.exitCode = await main(process.argv.slice(2), {
  home: HERMESH_HOME ?? `${XDG_STATE_HOME ?? `${HOME}/.local/state`}/hermesh`,
  user: TEKTON_NAME && TEKTON_NAME !== 'unnamed' ? TEKTON_NAME : USER,
});
