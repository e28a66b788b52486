// The page of an upload that somebody else makes: what the server tells of it, by websocket, or by server-sent events where
// a proxy lets no websocket through.
import { say, showBytes, showDuration, showPercent, showRate } from './text.js'

const AGAIN_MS = 2_000
const ENDED = new Set(['complete', 'failed', 'cancelled'])

const element = (id) => document.getElementById(id)
let over = false

function show(news) {
  over = ENDED.has(news.state)
  element('state').textContent = say(`state_${news.state}`)
  element('hint').hidden = over
  const total = news.bytes_total
  const share = total > 0 ? news.bytes_stored / total : news.state === 'complete' ? 1 : null
  if (share === null) element('bar').removeAttribute('value')
  else element('bar').value = share
  element('bar').hidden = over && news.state !== 'complete'
  element('percent').textContent = share === null ? '' : showPercent(share)
  const done = showBytes(news.bytes_stored)
  element('bytes').textContent = total === null ? done : say('of', { done, total: showBytes(total) })
  const moves = news.state === 'receiving' && news.rate !== null
  const left = moves && news.eta !== null ? `, ${say('eta', { time: showDuration(news.eta) })}` : ''
  element('eta').textContent = moves ? showRate(news.rate) + left : ''
  if (!news.url) return
  element('done').hidden = false
  element('open').href = news.url
  element('open').textContent = say('open')
}

function byEvents() {
  const source = new EventSource(location.href)
  source.onmessage = (event) => {
    show(JSON.parse(event.data))
    if (over) source.close()
  }
  source.onerror = () => {
    if (over) return
    element('state').textContent = say(source.readyState === EventSource.CLOSED ? 'state_unknown' : 'state_lost')
  }
}

function byWebsocket() {
  const url = new URL(location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  url.hash = ''
  const socket = new WebSocket(url)
  let opened = false
  socket.onopen = () => { opened = true }
  socket.onmessage = (event) => show(JSON.parse(event.data))
  socket.onclose = () => {
    if (over) return
    if (!opened) return byEvents()
    element('state').textContent = say('state_lost')
    setTimeout(byWebsocket, AGAIN_MS)
  }
}

byWebsocket()
