// `hermesh completion`: scripts with which a shell completes commands and options, made from the command line itself.
import { Argument, type Command } from 'commander';

const shells = ['bash', 'zsh', 'fish'] as const;

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .description('Prints a script that completes commands and options in a shell.')
    .addHelpText(
      'after',
      '\nExamples:\n  source <(hermesh completion bash)\n  hermesh completion zsh > ~/.zfunc/_hermesh\n  hermesh completion fish > ~/.config/fish/completions/hermesh.fish',
    )
    .action((shell: (typeof shells)[number]) => {
      process.stdout.write(scripts[shell](wordsOf(program)));
    });
}

/** For each command line so far (without the program's name), what may follow. */
function wordsOf(command: Command, path: readonly string[] = []): ReadonlyMap<string, readonly string[]> {
  const options = command.options.filter((option) => !option.hidden).map((option) => option.long ?? option.flags);
  const follow = [...command.commands.map((child) => child.name()), ...options, '--help'];
  const own: [string, readonly string[]] = [path.join(' '), [...new Set(follow)]];
  return new Map([own, ...command.commands.flatMap((child) => [...wordsOf(child, [...path, child.name()])])]);
}

const scripts: Record<(typeof shells)[number], (words: ReadonlyMap<string, readonly string[]>) => string> = {
  bash: (words) => `_hermesh() {
  local word="\${COMP_WORDS[COMP_CWORD]}" path="" part
  for part in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$part" in -*) ;; *) path="\${path:+$path }$part" ;; esac
  done
  local follow=""
  case "$path" in
${[...words].map(([path, follow]) => `    "${path}") follow="${follow.join(' ')}" ;;`).join('\n')}
  esac
  if [ -n "$follow" ]; then COMPREPLY=($(compgen -W "$follow" -- "$word")); else COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -o default -F _hermesh hermesh
`,
  zsh: (words) => `#compdef hermesh
_hermesh() {
  local path="" part
  for part in "\${(@)words[2,CURRENT-1]}"; do
    case "$part" in -*) ;; *) path="\${path:+$path }$part" ;; esac
  done
  case "$path" in
${[...words].map(([path, follow]) => `    "${path}") compadd -- ${follow.join(' ')} ;;`).join('\n')}
    *) _files ;;
  esac
}
_hermesh "$@"
`,
  fish: (words) =>
    `complete -c hermesh -f\n${[...words]
      .map(([path, follow]) => {
        const seen =
          path === ''
            ? '__fish_use_subcommand'
            : path
                .split(' ')
                .map((part) => `__fish_seen_subcommand_from ${part}`)
                .join('; and ');
        return `complete -c hermesh -n '${seen}' -a '${follow.join(' ')}'`;
      })
      .join('\n')}\n`,
};
