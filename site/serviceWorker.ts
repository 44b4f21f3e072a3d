/**
 * The service worker: keeps the page for when there is no network, and sends the headers that isolate it, which hosts
 * of static files often can't send. `files` and `version` are put in when the page is built.
 */
declare const version: string;
declare const files: readonly string[];

/** What a service worker is given beyond a page's globals, as far as it is used here. */
interface ServiceWorkerScope {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

/** Events that a service worker extends or answers. */
interface ExtendableEvent extends Event {
  waitUntil(done: Promise<unknown>): void;
}
interface RequestEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const scope: Pick<typeof globalThis, 'addEventListener'> & Partial<ServiceWorkerScope> = globalThis;
const isExtendable = (event: Event): event is ExtendableEvent => 'waitUntil' in event;
const isRequest = (event: Event): event is RequestEvent => 'respondWith' in event;

scope.addEventListener('install', (event) => {
  if (!isExtendable(event)) return;
  const kept = caches.open(version).then((cache) => cache.addAll([...files]));
  event.waitUntil(Promise.all([kept, scope.skipWaiting?.()]));
});

scope.addEventListener('activate', (event) => {
  if (!isExtendable(event)) return;
  const forgotten = caches
    .keys()
    .then((names) =>
      Promise.all(names.filter((name) => name !== version).map((name) => caches.delete(name))),
    );
  event.waitUntil(Promise.all([forgotten, scope.clients?.claim()]));
});

scope.addEventListener('fetch', (event) => {
  if (!isRequest(event)) return;
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(location.origin)) return;
  event.respondWith(answer(request));
});

/** From the network, so that a new version shows at once; from what was kept where there is none. */
async function answer(request: Request): Promise<Response> {
  try {
    const response = await fetch(request);
    if (response.ok) return isolating(response);
  } catch {
    // There is no network.
  }
  const cache = await caches.open(version);
  const kept = await cache.match(request, { ignoreSearch: true });
  return kept ? isolating(kept) : Response.error();
}

function isolating(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
