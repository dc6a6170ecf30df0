// The version of the product, as its package.json has it, in a checkout and in an installed package.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

export function readVersion(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json');
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
    if (folder === path.dirname(folder)) throw new Error(`Cannot find package.json above "${import.meta.dirname}"`);
  }
}
