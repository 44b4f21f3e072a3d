/**
 * The devices that the form offers, as far as this browser has them.
 */
import { byId } from '../../page/dom.js';
import { say } from '../../page/language.js';

/**
 * Offers WebGPU where there is an adapter, and says so where there can be one thread alone.
 * @returns whether there is an adapter
 */
export async function offerDevices(): Promise<boolean> {
  const select = byId('device', HTMLSelectElement);
  const name = (option: HTMLOptionElement, text: 'deviceGpu' | 'deviceOne'): void => {
    option.dataset.t = text;
    option.textContent = say(text);
  };
  const [cpu] = select.options;
  if (cpu && !crossOriginIsolated) name(cpu, 'deviceOne');
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return false;
  const option = new Option('', 'webgpu');
  name(option, 'deviceGpu');
  select.add(option);
  return true;
}
