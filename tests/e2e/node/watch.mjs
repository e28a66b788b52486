// Watches an upload by `ws` and tells what happens as one JSON object a line.
//
//   node watch.mjs '{"url":"ws://..."}'
//
// {event:"message"} for each, {event:"closed"} or {event:"error"} in the end.
import { createRequire } from 'node:module'

// The packages are in the build directory, and what is imported is looked for beside the file that imports.
const require = createRequire(process.env.RINGDROP_NODE_PACKAGES + '/')
const WebSocket = require('ws')

const asked = JSON.parse(process.argv[2])
const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')

const socket = new WebSocket(asked.url, { origin: asked.origin, perMessageDeflate: true })
let pongs = 0
socket.on('open', () => socket.ping('are you there?'))
// Behind the answer: a close for what it says may overtake a pong that is not sent yet.
socket.on('pong', () => {
  pongs += 1
  if (asked.says) socket.send(asked.says)
})
socket.on('message', (data, binary) => tell('message', { message: JSON.parse(data), binary }))
socket.on('close', (code) => tell('closed', { code, pongs }))
socket.on('unexpected-response', (_request, response) => {
  tell('error', { status: response.statusCode })
  process.exit(0)
})
socket.on('error', (error) => tell('error', { message: String(error) }))
