// The page of an upload that somebody else makes: what the server tells of it, by websocket, or by server-sent events where
// a proxy lets no websocket through, or else by asking again and again.
import { has, say, showBytes, showDuration, showPercent, showRate } from './text.js'

const AGAIN_MS = 2_000
const ENDED = new Set(['complete', 'failed', 'cancelled'])
const TITLE = document.title

const element = (id) => document.getElementById(id)
let over = false

// Only what is new: a screen reader says it each time.
function showState(text) {
  if (element('state').textContent !== text) element('state').textContent = text
}

function stateText({ state, reason }) {
  const text = say(`state_${state}`)
  return has(`why_${reason}`) ? `${text}. ${say(`why_${reason}`)}` : text
}

function show(news) {
  over = ENDED.has(news.state)
  showState(stateText(news))
  element('hint').hidden = over
  const total = news.bytes_total
  const share = total > 0 ? news.bytes_stored / total : news.state === 'complete' ? 1 : null
  if (share === null) element('bar').removeAttribute('value')
  else element('bar').value = share
  element('bar').hidden = over && news.state !== 'complete'
  element('percent').textContent = share === null ? '' : showPercent(share)
  document.title = share === null ? TITLE : `${showPercent(share)} · ${TITLE}`
  const done = showBytes(news.bytes_stored)
  const known = total === null ? done : say('of', { done, total: showBytes(total) })
  element('bytes').textContent = total === null && news.state === 'waiting' ? '' : known
  const moves = news.state === 'receiving' && news.rate !== null
  const left = moves && news.eta !== null ? `, ${say('eta', { time: showDuration(news.eta) })}` : ''
  element('eta').textContent = moves ? showRate(news.rate) + left : ''
  if (!news.url) return
  element('done').hidden = false
  element('open').href = news.url
  element('open').textContent = say('open')
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
    showState(say('state_lost'))
    setTimeout(byWebsocket, AGAIN_MS)
  }
}

function byEvents() {
  const source = new EventSource(location.href)
  source.onmessage = (event) => {
    show(JSON.parse(event.data))
    if (over) source.close()
  }
  source.onerror = () => {
    if (over) return
    // Without an answer the browser tries again by itself; an answer that is no stream it takes for the last word.
    if (source.readyState === EventSource.CLOSED) byAsking()
    else showState(say('state_lost'))
  }
}

// Who answers may be a proxy whose server is away: only the server's own 404 is the end.
async function byAsking() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'application/json' }, cache: 'no-store' })
    if (answer.status === 404) return showState(say('state_unknown'))
    if (!answer.ok) throw new Error(String(answer.status))
    show(await answer.json())
  } catch {
    showState(say('state_lost'))
  }
  if (!over) setTimeout(byWebsocket, AGAIN_MS)
}

byWebsocket()
