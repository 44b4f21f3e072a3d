/**
 * A WebGPU driver for tests and benchmarks on machines without a GPU: SwiftShader, from the system's Chromium or
 * unpacked from the package `@sparticuz/chromium` (with the Vulkan loader beside it) into a cache folder.
 *
 * The variable TANDEM_VULKAN_DRIVER names another Vulkan driver file to test with, for instance Mesa's lavapipe:
 *
 *     TANDEM_VULKAN_DRIVER=/usr/share/vulkan/icd.d/lvp_icd.json npx uvu dist/test 'webgpu/.*\.test\.js$'
 *
 * `none` leaves the tests of GPUs out. A driver so named that gives no adapter is an error; without the variable, tests are skipped where there is none.
 */
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { unpackTar } from 'modern-tar/fs';
import { listAdapters } from '../src/backends/webgpu/runtime/adapters.js';
import { findSoftwareDriver } from '../src/backends/webgpu/runtime/node.js';
import { root } from './root.js';

const file = 'vk_swiftshader_icd.json';

let driver: Promise<string | null> | null = null;

/** Path of a software driver's ICD file, or null, after saying so once, where none can be had. */
export function softwareDriver(): Promise<string | null> {
  driver ??= find();
  return driver;
}

const lavapipes = ['/usr/share/vulkan/icd.d/lvp_icd.json', '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json'];

/** Mesa's lavapipe where it is new enough for Dawn (Debian 12's isn't, that of bookworm-backports is), or null, said loudly. */
export async function lavapipe(): Promise<string | null> {
  const driver = lavapipes.find((file) => existsSync(file));
  if (driver !== undefined && (await listAdapters({ driver })).length > 0) return driver;
  const reason = driver === undefined ? "Mesa's lavapipe isn't installed" : `WebGPU doesn't take ${driver}`;
  console.warn(
    `\nTESTS ON LAVAPIPE SKIPPED: ${reason} (Debian 12: mesa-vulkan-drivers of bookworm-backports).\n`,
  );
  return null;
}

/** The name of the software driver's adapter. */
export async function adapterName(driver: string): Promise<string> {
  return (await listAdapters({ driver }))[0]!.name;
}

/**
 * A driver that with the first makes two adapters: SwiftShader where the first is another, else a copy of it in a
 * folder, under another name. Gives its ICD file. Once in a folder: a library that is in use must not be written over.
 */
export async function secondDriver(first: string, folder: string): Promise<string> {
  const library = 'libvk_swiftshader.so';
  if (!existsSync(join(dirname(first), library))) {
    const other = await swiftShader();
    if (other === null) throw new Error(`there is no driver beside ${first}`);
    return other;
  }
  await copyFile(join(dirname(first), library), join(folder, 'libsecond.so'));
  const second = join(folder, 'second.json');
  await writeFile(second, (await readFile(first, 'utf8')).replace(library, 'libsecond.so'));
  return second;
}

async function find(): Promise<string | null> {
  const named = process.env.TANDEM_VULKAN_DRIVER;
  if (named === 'none') {
    console.warn('\nWEBGPU TESTS SKIPPED: TANDEM_VULKAN_DRIVER is none.\n');
    return null;
  }
  if (named) {
    if ((await listAdapters({ driver: named })).length > 0) return named;
    throw new Error(`TANDEM_VULKAN_DRIVER: ${named} gives no adapter`);
  }
  const driver = await swiftShader();
  let reason = 'no software Vulkan driver was found';
  try {
    if (driver !== null && (await listAdapters({ driver })).length > 0) return driver;
    if (driver !== null) reason = `${driver} gives no adapter`;
  } catch (error) {
    reason = String(error);
  }
  const way =
    'Run `npm ci` with dev and optional dependencies on x64 Linux, or install Chromium (apt-get install chromium).';
  console.warn(`\nWEBGPU TESTS SKIPPED: ${reason}. ${way}\n`);
  return null;
}

async function swiftShader(): Promise<string | null> {
  return (await unpack()) ?? findSoftwareDriver();
}

async function unpack(): Promise<string | null> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const folder = join(root, 'node_modules/.cache/tandem-swiftshader');
  if (existsSync(join(folder, file))) return join(folder, file);
  const archive = join(root, 'node_modules/@sparticuz/chromium/bin/swiftshader.tar.br');
  if (!existsSync(archive)) return null;
  // Test files run side by side: unpack apart, then move into place.
  const apart = `${folder}.${process.pid}`;
  await mkdir(apart, { recursive: true });
  await pipeline(createReadStream(archive), createBrotliDecompress(), unpackTar(apart));
  await rename(apart, folder).catch((error: unknown) => {
    if (!existsSync(join(folder, file))) throw error;
  });
  return join(folder, file);
}
