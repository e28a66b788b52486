// The links that were made in this browser: a list with what the server says of each, its code for cameras, its end.
import { ROOT } from './upload.js'
import { savedLinks } from './memory.js'
import { ask, copy, element, makeItem, removeItem, setText, toast } from './page.js'
import { say, showBytes, showTime } from './text.js'

const MOST_LINKS = 200
const MOST_ASKED = 25 // links whose state is asked for when the page is opened

export function addLink(link) {
  savedLinks.write([link, ...savedLinks.read([])].slice(0, MOST_LINKS))
  showLink(link, true)
}

export function showLinks() {
  element('clear').onclick = forgetLinks
  savedLinks.read([]).forEach((link, index) => showLink(link, false, index < MOST_ASKED))
}

function forgetLinks() {
  savedLinks.write([])
  element('link-list').replaceChildren()
  element('links').hidden = true
  element('choose-files').focus()
}

// Of {base}/{token}/{name}/{delete token}: what asks this server, by whatever name it was reached.
function tokensOf(link) {
  const segments = new URL(link.deleteUrl).pathname.split('/')
  return { token: segments.at(-3), secret: segments.at(-1) }
}

function showLink(link, isNew, asks = true) {
  const item = makeItem('link-template', link.name, {
    copy: () => copy(link.url),
    qr: () => showQr(link),
    delete: () => deleteLink(link, item),
    forget: () => forgetLink(link, item),
  })
  const name = item.querySelector('.file-name')
  name.href = link.url
  setText(item.querySelector('.numbers'), showBytes(link.size))
  setText(item.querySelector('.url'), link.url)
  if (isNew) item.classList.add('fresh')
  element('link-list')[isNew ? 'prepend' : 'append'](item)
  element('links').hidden = false
  if (asks) askAbout(link, item)
}

async function askAbout(link, item) {
  try {
    const answer = await fetch(new URL(`api/links/${tokensOf(link).token}`, ROOT), { cache: 'no-store' })
    if (answer.status === 404) {
      item.classList.add('ended')
      setText(item.querySelector('.state'), say('ended'))
      for (const action of ['copy', 'qr', 'delete']) item.querySelector(`[data-do=${action}]`).hidden = true
      return
    }
    const { expires_at: ends, downloads_left: left } = await answer.json()
    const parts = []
    if (ends) parts.push(say('ends', { time: showTime(ends) }))
    if (typeof left === 'number') parts.push(say('left', { count: left }))
    setText(item.querySelector('.state'), parts.join(' · '))
  } catch {
    // The server is away: nothing is said of it.
  }
}

function forgetLink(link, item) {
  savedLinks.write(savedLinks.read([]).filter(({ url }) => url !== link.url))
  removeItem(item, element('choose-files'))
  element('links').hidden = element('link-list').children.length === 0
}

async function deleteLink(link, item) {
  element('delete-name').textContent = link.name
  if (!await ask(element('delete-dialog'))) return
  const { token, secret } = tokensOf(link)
  try {
    const answer = await fetch(new URL(token, ROOT),
      { method: 'DELETE', headers: { Authorization: `Bearer ${secret}` }, credentials: 'omit' })
    if (answer.status !== 204 && answer.status !== 404) throw new Error(String(answer.status))
  } catch {
    return toast(say('delete_failed', { name: link.name }))
  }
  forgetLink(link, item)
  toast(say('deleted', { name: link.name }))
}

// The URL without the name leads to the same file, and its code is coarse enough for any camera.
function shortUrl(link) {
  return link.deleteUrl.split('/').slice(0, -2).join('/')
}

// The library comes when it is needed first.
async function showQr(link) {
  const { qrcode } = await import('./qrcode.js')
  const code = qrcode(0, 'M')
  code.addData(shortUrl(link))
  code.make()
  const modules = code.getModuleCount()
  let path = ''
  for (let row = 0; row < modules; row += 1) {
    for (let column = 0; column < modules; column += 1) {
      if (code.isDark(row, column)) path += `M${column} ${row}h1v1h-1z`
    }
  }
  const make = (name) => document.createElementNS('http://www.w3.org/2000/svg', name)
  const picture = make('svg')
  picture.setAttribute('viewBox', `-2 -2 ${modules + 4} ${modules + 4}`)
  picture.setAttribute('role', 'img')
  picture.setAttribute('aria-label', say('qr_of', { name: link.name }))
  picture.setAttribute('shape-rendering', 'crispEdges')
  const dark = make('path')
  dark.setAttribute('d', path)
  picture.append(dark)
  element('qr-code').replaceChildren(picture)
  element('qr-name').textContent = link.name
  element('qr-url').textContent = shortUrl(link)
  element('qr-dialog').showModal()
}
