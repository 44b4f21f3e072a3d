/**
 * The environment in which a program's WGSL is compiled for a card that isn't there: Mesa's RADV on null hardware, behind
 * the layer of layer.c, which is built here when it is first needed.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../support/root.js';

const run = promisify(execFile);
const source = join(root, 'bench/isa/layer.c');
const folder = join(root, 'node_modules/.cache/tandem-isa');
const name = 'VK_LAYER_TANDEM_isa';

/** Where Debian's mesa-vulkan-drivers puts RADV; the variable TANDEM_RADV_DRIVER names another place. */
const drivers = [
  '/usr/share/vulkan/icd.d/radeon_icd.json',
  '/usr/share/vulkan/icd.d/radeon_icd.x86_64.json',
  '/usr/local/share/vulkan/icd.d/radeon_icd.x86_64.json',
];

/** What can't be had here, and how to get it; thrown before anything is compiled. */
export class MissingError extends Error {}

/** RADV's driver file. @throws {MissingError} where there is none */
export function radvDriver(): string {
  const named = process.env.TANDEM_RADV_DRIVER;
  const found = (named ? [named] : drivers).find((file) => existsSync(file));
  if (found === undefined) {
    throw new MissingError(
      `Mesa's RADV is missing (looked for ${(named ? [named] : drivers).join(', ')}). Debian: apt-get install -t bookworm-backports mesa-vulkan-drivers; or name its ICD file in TANDEM_RADV_DRIVER.`,
    );
  }
  return found;
}

/** Builds the layer if its source is newer than what was built. @throws {MissingError} without a compiler or headers */
async function build(): Promise<void> {
  const library = join(folder, 'libisa.so');
  const age = async (file: string): Promise<number> => (existsSync(file) ? (await stat(file)).mtimeMs : 0);
  if ((await age(library)) > (await age(source))) return;
  await mkdir(folder, { recursive: true });
  const flags = ['-O1', '-shared', '-fPIC', '-w', '-o', library, source];
  await run('gcc', flags).catch((error: unknown) => {
    const said = error instanceof Error ? error.message : String(error);
    throw new MissingError(
      `The layer can't be built (gcc ${flags.join(' ')}):\n${said}\nDebian: apt-get install gcc libc6-dev libvulkan-dev.`,
    );
  });
  const manifest = {
    file_format_version: '1.1.2',
    layer: {
      name,
      type: 'GLOBAL',
      library_path: library,
      api_version: '1.3.0',
      implementation_version: '1',
      description: 'compiles for a GPU that is not there',
    },
  };
  await writeFile(join(folder, `${name}.json`), JSON.stringify(manifest));
}

/**
 * Environment variables for a process that compiles for a card.
 * @param card by RADV's name: 'navi21', 'navi31', 'vega20', ..
 * @throws {MissingError} where the driver or the layer can't be had
 */
export async function nullHardware(card: string): Promise<NodeJS.ProcessEnv> {
  radvDriver();
  await build();
  return {
    ...process.env,
    RADV_FORCE_FAMILY: card,
    RADV_DEBUG: 'asm,shaderstats',
    MESA_SHADER_CACHE_DISABLE: '1',
    VK_ADD_LAYER_PATH: folder,
    VK_LAYER_PATH: folder,
    VK_INSTANCE_LAYERS: name,
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir(),
  };
}
