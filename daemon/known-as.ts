// What the mesh knows this stack by, its name and its zone, against what its daemon was started with.
import type { Registry } from '#registry';
import type { Config } from './config.ts';
import { DaemonError } from './errors.ts';

type Said = Pick<Config, 'home' | 'name' | 'isNamed' | 'zone'>;
type Known = Pick<Registry, 'stack' | 'member' | 'members' | 'directory' | 'leave'>;

/**
 * The name that its certificate bears: the mesh knows the stack by it, so a start under another name is a slip. A home whose
 * daemon was never up has told its name to nobody, and takes the new one.
 *
 * Its certificate bears its zone, too, and whoever issued it made room there: in another one it would wait for records that
 * never come. A stack that is alone founds anew in the zone that it is started with, or asks for it when it `joins`.
 */
export async function knownAs(registry: Known, config: Said, joins: boolean): Promise<string> {
  const own = registry.member(registry.stack);
  const name = own?.name ?? config.name;
  if (config.isNamed && name !== config.name) {
    if (registry.directory.list({ kind: 'stack', stack: registry.stack }).length > 0) {
      throw new DaemonError(
        'home-of-another-stack',
        `Cannot start "${config.name}" in the home "${config.home}": it is the home of the stack "${name}"`,
        { mend: 'leave --name out, or name another home with --home DIR' },
      );
    }
    await registry.leave();
    return config.name;
  }
  const zone = own?.zone ?? '';
  if (config.zone === undefined || config.zone === zone) return name;
  const isAlone = registry.members().length <= 1;
  if (!isAlone) {
    const said = zone === '' ? 'the zone without a name' : `the zone "${zone}"`;
    throw new DaemonError(
      'bad-config',
      `Cannot start "${name}" in the zone "${config.zone}": its certificate is for ${said}`,
      {
        mend: `leave --zone out; to move it, start it so, "hermesh leave", and start it with --zone ${config.zone} --join TOKEN`,
      },
    );
  }
  if (!joins) await registry.leave();
  return name;
}
