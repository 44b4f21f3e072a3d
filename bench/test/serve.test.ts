/** The server of pages: it answers whatever is asked, and never leaves its folders. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serve } from '../../support/serve.js';

test('odd requests are answered, and the server goes on', async () => {
  const server = await serve({ '/': { html: 'the page' } });
  const { hostname, port } = new URL(server.origin);
  /** The status of a request of this line. */
  const ask = async (line: string): Promise<string> => {
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      answer += piece;
    });
    socket.write(`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await once(socket, 'close');
    return answer.split(' ', 2)[1] ?? '';
  };
  try {
    for (const path of ['//', '///x', '/\\', '/%', '/%2e%2e/x.js', '/__proto__', '/../../../etc/hosts.js']) {
      assert.is(await ask(`GET ${path}`), '404', path);
    }
    for (const line of ['GET http://[', 'OPTIONS *', 'GET x', '\u0000']) {
      assert.match(await ask(line), /^(404|400)$/, line);
    }
    for (const path of ['/', '/?a=//', '/bench/../bench/rows.js'])
      assert.is(await ask(`GET ${path}`), '200', path);
  } finally {
    server.close();
  }
});

test.run();
