/**
 * What AlexNet's sixteen parameters are called in files, and which of ours each is:
 *
 *     ours            layers                    ONNX zoo      torchvision
 *     conv1.weight    conv1.weight, conv1/0     conv1_w_0     features.0.weight
 *     fc8.bias        fc8.bias, fc8/1           fc8_b_0       classifier.6.bias
 *
 * All names may have the same beginning: `module.`, `state_dict.`, `features.` before conv1 and `classifier.` before fc6.
 */
import { printable } from '../../formats/printable.js';

/** How the names of a file are formed. */
export type NameStyle = 'layers' | 'onnx-zoo' | 'torchvision';

/** The layers in order, and torchvision's numbers for them. */
const layers = new Map([
  ['conv1', 'features.0'],
  ['conv2', 'features.3'],
  ['conv3', 'features.6'],
  ['conv4', 'features.8'],
  ['conv5', 'features.10'],
  ['fc6', 'classifier.1'],
  ['fc7', 'classifier.4'],
  ['fc8', 'classifier.6'],
]);
const numbered = new Map([...layers].map(([layer, name]) => [name, layer]));

/** Names of a file by ours. */
export interface FoundNames {
  readonly style: NameStyle;
  /** `conv1.weight` and so on, in the order of the layers, and what the file calls it; missing ones are left out. */
  readonly names: ReadonlyMap<string, string>;
  /** Names that are none of the net's. */
  readonly left: readonly string[];
}

const what: Readonly<Record<string, 'weight' | 'bias'>> = {
  weight: 'weight',
  bias: 'bias',
  0: 'weight',
  1: 'bias',
  w: 'weight',
  b: 'bias',
};

/** Our name of one of a file's; null if it is none. */
function ourName(name: string): { readonly style: NameStyle; readonly name: string } | null {
  const [, place, parameter = ''] = /(?:^|\.)((?:features|classifier)\.\d+)\.(weight|bias)$/.exec(name) ?? [];
  const layer = place === undefined ? undefined : numbered.get(place);
  if (layer !== undefined) return { style: 'torchvision', name: `${layer}.${parameter}` };
  const zoo = /(?:^|[./])(conv[1-5]|fc[678])_([wb])(?:_0)?$/.exec(name);
  if (zoo) return { style: 'onnx-zoo', name: `${zoo[1]}.${what[zoo[2]!]}` };
  const plain = /(?:^|[./])(conv[1-5]|fc[678])[./](weight|bias|[01])$/.exec(name);
  return plain ? { style: 'layers', name: `${plain[1]}.${what[plain[2]!]}` } : null;
}

/** Finds the net's parameters among a file's names; or says why it can't. */
export function findNames(given: Iterable<string>): FoundNames | string {
  const found = new Map<string, string>();
  const styles = new Set<NameStyle>();
  const left: string[] = [];
  for (const name of given) {
    const ours = ourName(name);
    const first = ours ? found.get(ours.name) : undefined;
    if (first !== undefined)
      return `holds two nets: ${printable(first, 60)} and ${printable(name, 60)}; give one of them`;
    if (!ours) left.push(name);
    else {
      found.set(ours.name, name);
      styles.add(ours.style);
    }
  }
  const [style] = styles;
  if (style === undefined) {
    const some = left.slice(0, 4).map((name) => printable(name, 40));
    return (
      `its names (${some.join(', ')}${left.length > 4 ? ', ..' : ''}) are no AlexNet's: expected features.0.weight ` +
      'to classifier.6.bias, conv1.weight to fc8.bias, or conv1_w_0 to fc8_b_0'
    );
  }
  if (styles.size > 1) return `its names are those of several kinds: ${[...styles].join(', ')}`;
  const names = new Map(
    [...layers.keys()].flatMap((layer) =>
      ['weight', 'bias'].flatMap((parameter): [string, string][] => {
        const name = found.get(`${layer}.${parameter}`);
        return name === undefined ? [] : [[`${layer}.${parameter}`, name]];
      }),
    ),
  );
  return { style, names, left };
}

/** What torchvision's state dict calls one of our parameters: `features.0.weight` for `conv1.weight`. */
export function torchvisionName(name: string): string {
  const [layer = '', parameter = ''] = name.split('.');
  return `${layers.get(layer) ?? layer}.${parameter}`;
}
