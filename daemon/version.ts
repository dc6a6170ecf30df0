// The version of the product, as its package.json has it, in a checkout and in an installed package.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

export function readVersion(): string {
  return (JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

/** The folder that holds package.json: of the checkout, or of the installed package. */
export function packageRoot(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'package.json'))) return folder;
    if (folder === path.dirname(folder)) throw new Error(`Cannot find package.json above "${import.meta.dirname}"`);
  }
}
