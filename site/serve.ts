/**
 * A server of a folder's files, with the headers that isolate a page, or without them as hosts of static files do.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/** Serves a folder to this machine alone. @param options port 0 for any that is free; by default isolating */
export async function serveFolder(
  folder: string,
  options: { readonly port?: number; readonly isolate?: boolean } = {},
): Promise<{ readonly origin: string; close(): void }> {
  const { port = 0, isolate = true } = options;
  const headers = isolate
    ? { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
    : {};
  const server = createServer((request, response) => {
    const [path = '/'] = (request.url ?? '/').split('?', 1);
    const name = normalize(path.endsWith('/') ? `${path}index.html` : path);
    readFile(join(folder, name)).then(
      (content) => {
        const type = types[extname(name)] ?? 'application/octet-stream';
        response.writeHead(200, { 'Content-Type': type, ...headers }).end(content);
      },
      () => response.writeHead(404, headers).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const taken = typeof address === 'object' && address ? address.port : port;
  return {
    origin: `http://127.0.0.1:${taken}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
