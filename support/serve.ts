/**
 * Static servers (Node), of compiled modules and pages made in memory, and of folders, with the headers that isolate a
 * page, which shared memory needs in browsers.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { root } from './root.js';

/** A page at a path. */
export interface ServedPage {
  readonly html: string;
  /** Whether to send the headers that isolate it; default true. */
  readonly isolated?: boolean;
}

/** A running server. */
export interface Served {
  /** 'http://127.0.0.1:8080'. */
  readonly origin: string;
  close(): void;
}

const isolating = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

/** The path that a request asks for, without its query; '' where it begins with no slash. `URL` takes `//` for a host. */
function pathOf(request: string): string {
  const [path = ''] = request.split('?', 1);
  return path.startsWith('/') ? path : '';
}

/** The file that a path of the site stands for: packages' modules, and those of dist/. */
function fileOf(path: string): string {
  const inner = normalize(path);
  return join(root, inner.startsWith('/node_modules/') ? '' : 'dist', inner);
}

/**
 * Serves `pages` by their paths and every compiled module below its own, to this machine alone.
 * @param port 0 for any that is free
 * @param further headers of every answer
 * @throws when the port is taken
 */
export async function serve(
  pages: Readonly<Record<string, ServedPage>>,
  port = 0,
  further: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const server = createServer((request, response) => {
    const path = pathOf(request.url ?? '/');
    const page = pages[path];
    // Modules are for pages of other origins too, as a content delivery network's are.
    const modules = { ...isolating, 'Access-Control-Allow-Origin': '*' };
    const ofPage = page?.isolated === false ? {} : isolating;
    const headers = page ? ofPage : modules;
    const send = (type: string, content: string | Buffer): void =>
      void response
        .writeHead(200, { 'Content-Type': `${type}; charset=utf-8`, ...headers, ...further })
        .end(content);
    if (page) send('text/html', page.html);
    else if (!path.endsWith('.js')) response.writeHead(404).end();
    else {
      readFile(fileOf(path)).then(
        (content) => send('text/javascript', content),
        () => response.writeHead(404).end(),
      );
    }
  });
  return listen(server, port);
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/**
 * Serves a folder's files to this machine alone, with the headers that isolate a page; or without, as hosts of static
 * files do.
 * @param options port 0, the default: any that is free
 * @throws when the port is taken
 */
export function serveFolder(
  folder: string,
  options: { readonly port?: number; readonly isolate?: boolean } = {},
): Promise<Served> {
  const { port = 0, isolate = true } = options;
  const headers = isolate ? isolating : {};
  const server = createServer((request, response) => {
    const path = pathOf(request.url ?? '/');
    const name = normalize(path.endsWith('/') ? `${path}index.html` : path);
    readFile(join(folder, name)).then(
      (content) => {
        const type = types[extname(name)] ?? 'application/octet-stream';
        response.writeHead(200, { 'Content-Type': type, ...headers }).end(content);
      },
      () => response.writeHead(404, headers).end(),
    );
  });
  return listen(server, port);
}

/** Listens on this machine alone. */
async function listen(server: Server, port: number): Promise<Served> {
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
