/**
 * The service worker that keeps the page for later and isolates it. A page that a server didn't isolate is loaded once
 * more under it.
 */

/** Registers it. @returns whether the page is about to be loaded again */
export async function startServiceWorker(): Promise<boolean> {
  if (!('serviceWorker' in navigator)) return false;
  const registering = navigator.serviceWorker.register('serviceWorker.js');
  registering.catch(() => {}); // the page does without
  if (crossOriginIsolated || sessionStorage.getItem('isolating') === 'tried') return false;
  try {
    await activated(await registering);
    sessionStorage.setItem('isolating', 'tried');
    location.reload();
    return true;
  } catch {
    return false;
  }
}

function activated({ installing, waiting }: ServiceWorkerRegistration): Promise<void> {
  const coming = installing ?? waiting;
  return new Promise((resolve) => {
    if (!coming || coming.state === 'activated') return resolve();
    coming.addEventListener('statechange', () => {
      if (coming.state === 'activated' || coming.state === 'redundant') resolve();
    });
  });
}
