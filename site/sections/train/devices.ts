/**
 * The devices that the form offers, as far as this browser has them.
 */
import { byId } from '../../page/dom.js';
import { say, type TextName } from '../../page/language.js';

const rename = (option: HTMLOptionElement, text: TextName): void => {
  option.dataset.t = text;
  option.textContent = say(text);
};

/**
 * Offers WebGPU where there is an adapter, and says so where there can be one thread alone.
 * @returns whether there is an adapter
 */
export async function offerDevices(): Promise<boolean> {
  const selects = ['device', 'machine-device'].map((id) => byId(id, HTMLSelectElement));
  for (const { options } of crossOriginIsolated ? [] : selects)
    if (options[0]) rename(options[0], 'deviceOne');
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return false;
  for (const select of selects) {
    const option = new Option('', 'webgpu');
    rename(option, 'deviceGpu');
    select.add(option);
  }
  return true;
}
