/**
 * Headless Chromium for the tests of pages: the system's, or the one in the package `@sparticuz/chromium`.
 */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const installed = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
];

/** Milliseconds that tests wait for a browser or for something in a page: a busy machine takes long, and only a hang is a fault. */
export const longestWait = 120_000;

/** A browser, or why there is none. */
export async function launch(): Promise<Browser | string> {
  const gpu = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--use-vulkan=swiftshader'];
  const args = ['--no-sandbox', ...gpu, '--use-webgpu-adapter=swiftshader'];
  const reasons: string[] = [];
  const start = async (executablePath: string): Promise<Browser | null> => {
    try {
      return await chromium.launch({ executablePath, args, timeout: longestWait });
    } catch (error) {
      reasons.push(`${executablePath}: ${String(error).split('\n', 1)[0]}`);
      return null;
    }
  };
  for (const path of installed.filter((candidate) => existsSync(candidate))) {
    const browser = await start(path);
    if (browser) return browser;
  }
  if (process.platform === 'linux' && process.arch === 'x64') {
    const { default: packed } = await import('@sparticuz/chromium');
    const browser = await start(await packed.executablePath());
    if (browser) return browser;
  }
  return reasons.join('; ') || 'no Chromium was found';
}

/** Says loudly that a suite of tests doesn't run for want of a browser. */
export function warnOfNone(reason: string): void {
  console.warn(
    `\nBROWSER TESTS SKIPPED: ${reason}. Install Chromium (apt-get install chromium), or what it lacks (libnss3).\n`,
  );
}
