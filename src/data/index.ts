/**
 * Data: what browsers have of it (browser.ts), and images with labels from folders, archives and shards. For Node.
 */
export * from './browser.js';
export { type OpenedData, openData } from './sources/open.js';
