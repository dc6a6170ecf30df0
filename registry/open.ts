// Opens the registry, and loads its rooms only then: a command that asks a daemon needs the shapes alone.
import type { Registry, RegistryOptions } from './contract.ts';

/** Opens the registry on its database and network; founds a mesh where the stack belongs to none. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const wired = await import('./registry.ts');
  return wired.openRegistry(options);
}
