/**
 * The visitor's own images: a folder or CIFAR-10's file, chosen or dropped anywhere on the page.
 */
import type { GivenFile } from '../../engine/given.js';
import { drawnCounts } from '../../engine/images.js';
import type { ImageChoice } from '../../engine/messages.js';
import { byId } from '../../page/dom.js';

/** Drawn images: fewer where the address says so, which tests do. */
export function drawn(): ImageChoice {
  const asked = Number(new URLSearchParams(location.search).get('images'));
  const counts =
    asked >= 64 ? { train: asked, validation: Math.min(asked, drawnCounts.validation) } : drawnCounts;
  return { kind: 'drawn', counts };
}

/** Begins a run whenever images are given. */
export function startGiven(begin: (images: ImageChoice) => void): void {
  for (const id of ['given-folder', 'given-cifar']) {
    const input = byId(id, HTMLInputElement);
    input.addEventListener('change', () => {
      const files = Array.from(input.files ?? [], (file) => ({
        path: file.webkitRelativePath || file.name,
        file,
      }));
      if (files.length > 0) begin({ kind: 'given', files });
    });
  }
  byId('given-none', HTMLButtonElement).addEventListener('click', () => begin(drawn()));
  const section = byId('train', HTMLElement);
  section.addEventListener('dragover', (event) => event.preventDefault());
  section.addEventListener('drop', async (event) => {
    event.preventDefault();
    const entries = Array.from(event.dataTransfer?.items ?? [], (item) => item.webkitGetAsEntry());
    const files = (await Promise.all(entries.map((entry) => (entry ? filesOf(entry) : [])))).flat();
    if (files.length > 0) begin({ kind: 'given', files });
  });
}

/** All files of what was dropped. */
async function filesOf(entry: FileSystemEntry): Promise<GivenFile[]> {
  if (entry instanceof FileSystemFileEntry) {
    const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ''), file }];
  }
  if (!(entry instanceof FileSystemDirectoryEntry)) return [];
  const reader = entry.createReader();
  const found: GivenFile[] = [];
  for (;;) {
    // A directory is read in parts.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (part.length === 0) return found;
    found.push(...(await Promise.all(part.map(filesOf))).flat());
  }
}
