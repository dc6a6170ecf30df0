// What packaging, lifecycle and federation of a manifest must keep that no shape can say.
import { type Manifest, stages } from '#manifests/schema';
import { pointerOf } from '../error.ts';
import { type Finding, listOf, say, twice, unknown } from './findings.ts';

/** The faults of what is not about one application or one container. */
export function defaultsProblems({ project, containers, packaging, lifecycle, federation }: Manifest): Finding[] {
  const findings: Finding[] = [];
  const add = (path: readonly PropertyKey[], message: string, mend: string): void =>
    void findings.push({ pointer: pointerOf(path), message, mend });
  const names = Object.keys(containers);
  for (const [index, name] of packaging.build_order.entries())
    if (!names.includes(name)) findings.push(unknown(['packaging', 'build_order', index], 'container', name, names));
  findings.push(...twice(say('the container', listOf(['packaging', 'build_order'], packaging.build_order))));
  findings.push(...twice(say('the platform', listOf(['packaging', 'platforms'], packaging.platforms))));
  for (const [name, { platforms }] of Object.entries(containers))
    findings.push(...twice(say('the platform', listOf(['containers', name, 'platforms'], platforms))));
  if (packaging.tagging === 'version' && project.version === undefined)
    add(
      ['packaging', 'tagging'],
      'images are tagged by the version, and the project has none',
      'add "version" to "project"',
    );
  const { keys, threshold } = packaging.sign;
  if (threshold > Math.max(1, keys.length))
    add(['packaging', 'sign', 'threshold'], `${threshold} of ${keys.length} keys can't sign`, 'name more keys');
  const inOrder = stages.filter((stage) => lifecycle.stages.includes(stage));
  if (inOrder.join() !== lifecycle.stages.join())
    add(['lifecycle', 'stages'], 'the stages are not in their order', `write ${inOrder.join(', ')}`);
  const staged: [PropertyKey[], readonly string[]][] = [
    [['progression'], Object.keys(lifecycle.progression)],
    [['overlays'], Object.keys(lifecycle.overlays)],
    [['checkpoints', 'at'], lifecycle.checkpoints.at],
  ];
  for (const [path, used] of staged) {
    for (const [index, stage] of used.entries()) {
      if ((lifecycle.stages as readonly string[]).includes(stage)) continue;
      const at = ['lifecycle', ...path, path.length > 1 ? index : stage];
      // A checkpoint that a shorter way never reaches is only the default.
      if (path[0] === 'checkpoints' && stage === 'pre-deploy') continue;
      add(at, `the stage "${stage}" is not gone through`, `add it to "stages": ${lifecycle.stages.join(', ')}`);
    }
  }
  for (const [stage, overlay] of Object.entries(lifecycle.overlays))
    for (const name of Object.keys(overlay?.containers ?? {}))
      if (!names.includes(name))
        findings.push(unknown(['lifecycle', 'overlays', stage, 'containers', name], 'container', name, names));
  for (const [index, { from, until }] of lifecycle.freezes.entries())
    if (!(Date.parse(from) < Date.parse(until)))
      add(['lifecycle', 'freezes', index, 'until'], `"${until}" does not come after "${from}"`, 'write a later time');
  if (federation.share.mode === 'partial' && federation.share.cis.length === 0)
    add(['federation', 'share', 'cis'], 'a partial share names no CI', 'name some, or share it in "full"');
  return findings;
}
