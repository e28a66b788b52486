// The page at /: files in, links out. Takes files by drop, picker, folder and paste, lets a few upload at once (upload.js),
// and keeps in this browser what is unfinished and which links were made.
import { discard, fingerprintOf, ROOT, Upload } from './upload.js'
import { has, say, showBytes, showDuration, showPercent, showRate, showTime } from './text.js'

const AT_ONCE = 3
const TICK_MS = 500
const SMOOTHING = 0.25 // how much the newest tick counts in a rate
const MOST_LINKS = 200
const MOST_ASKED = 25 // links whose state is asked for when the page is opened
const TOAST_MS = 2_500
const TITLE = document.title

const element = (id) => document.getElementById(id)

// What this browser remembers. Where it may not, the page works until it is closed.
class Memory {
  constructor(storage, key) {
    this.storage = storage
    this.key = key
    this.fallback = null
  }

  read(otherwise) {
    try {
      return JSON.parse(this.storage().getItem(this.key)) ?? this.fallback ?? otherwise
    } catch {
      return this.fallback ?? otherwise
    }
  }

  write(value) {
    this.fallback = value
    try {
      this.storage().setItem(this.key, JSON.stringify(value))
    } catch {
      // full or forbidden: see above
    }
  }
}

const savedUploads = new Memory(() => localStorage, 'ringdrop.uploads') // { fingerprint: { url, watch, name, size } }
const savedLinks = new Memory(() => localStorage, 'ringdrop.links') // [{ url, deleteUrl, name, size }], newest first
const savedToken = new Memory(() => sessionStorage, 'ringdrop.token')

// Saying things ------------------------------------------------------------------------------------------------------

let toastTimer

function announce(text) {
  element('announce').textContent = text
}

function toast(text) {
  announce(text)
  element('toast').textContent = text
  element('toast').classList.add('shown')
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => element('toast').classList.remove('shown'), TOAST_MS)
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    toast(say('copied'))
    return
  } catch {
    // Only a page from a safe place may write there; any may copy what is selected.
  }
  const field = document.createElement('textarea')
  field.value = text
  document.body.append(field)
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  toast(say(done ? 'copied' : 'copy_failed'))
}

// A dialog; promises whether it was agreed to.
function ask(dialog) {
  dialog.returnValue = 'cancel'
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'ok'), { once: true })
  })
}

let tokenQuestion = null

// `rejected`: a token that the server did not take. `onlyKnown`: nobody is asked.
async function findToken(rejected, onlyKnown) {
  const known = savedToken.read(null)
  if (known && known !== rejected) return known
  if (onlyKnown) return null
  tokenQuestion ??= (async () => {
    element('token').value = ''
    const agreed = await ask(element('token-dialog'))
    tokenQuestion = null
    if (!agreed) return null
    savedToken.write(element('token').value)
    return element('token').value
  })()
  return tokenQuestion
}

// An item from its <template>: the element, and its buttons' names for who cannot see beside what they stand.
function makeItem(template, name, actions) {
  const item = element(template).content.firstElementChild.cloneNode(true)
  item.querySelector('.file-name').textContent = name
  for (const button of item.querySelectorAll('[data-do]')) {
    button.setAttribute('aria-label', say('action_of', { action: button.textContent, name }))
    button.onclick = () => actions[button.dataset.do](button)
  }
  return item
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

// Removes an item; who stood on it stands on what follows.
function removeItem(item, instead) {
  const had = item.contains(document.activeElement)
  const next = item.nextElementSibling ?? item.previousElementSibling
  item.remove()
  if (had) (next?.querySelector('button:not([hidden])') ?? instead).focus()
}

// Uploads ------------------------------------------------------------------------------------------------------------

const uploads = [] // { upload, item, rate, lastSent, announced }, in the order of the page
let finishedBytes = 0 // of those that were done since the list was empty

function remember(upload) {
  const all = savedUploads.read({})
  all[upload.fingerprint] = { url: upload.url, watch: upload.watch, name: upload.file.name, size: upload.file.size }
  savedUploads.write(all)
}

function forget(fingerprint) {
  const all = savedUploads.read({})
  delete all[fingerprint]
  savedUploads.write(all)
}

function addFiles(files) {
  const options = { expires: element('expires').value, max_downloads: element('max-downloads').value }
  for (const file of files) addFile(file, options)
  if (files.length > 0) announce(say('announce_added', { count: files.length }))
  startNext()
  showUnfinished()
}

function addFile(file, options) {
  const fingerprint = fingerprintOf(file)
  const isHere = uploads.some((entry) => entry.upload.fingerprint === fingerprint)
  const upload = new Upload(file, options, changed, findToken)
  // The same file once more beside itself is an upload of its own, which is not remembered.
  upload.fingerprint = isHere ? `${fingerprint}/${crypto.getRandomValues(new Uint32Array(1))[0]}` : fingerprint
  const known = savedUploads.read({})[upload.fingerprint]
  if (known) {
    upload.adopt(known.url, known.watch)
    announce(say('announce_resumed', { name: file.name }))
  }
  const item = makeItem('upload-template', file.name, {
    pause: () => pause(upload),
    resume: () => resume(upload),
    retry: () => (upload.isRunning ? upload.retryNow() : resume(upload)),
    watch: () => copy(upload.watch),
    cancel: () => cancel(upload),
  })
  item.querySelector('progress').setAttribute('aria-label', say('progress_of', { name: file.name }))
  uploads.push({ upload, item, rate: 0, lastSent: null, announced: '' })
  element('upload-list').append(item)
  showUpload(uploads.at(-1))
}

function startNext() {
  const running = uploads.filter(({ upload }) => upload.isRunning).length
  const queued = uploads.filter(({ upload }) => upload.state === 'queued')
  for (const { upload } of queued.slice(0, Math.max(0, AT_ONCE - running))) upload.start()
  showTotal()
}

function pause(upload) {
  upload.pause()
  startNext()
}

function resume(upload) {
  upload.state = 'queued'
  changed(upload)
  startNext()
}

function cancel(upload) {
  forget(upload.fingerprint)
  upload.cancel()
  drop(upload)
}

function drop(upload) {
  const at = uploads.findIndex((entry) => entry.upload === upload)
  const [{ item }] = uploads.splice(at, 1)
  removeItem(item, element('choose-files'))
  if (uploads.length === 0) finishedBytes = 0
  startNext()
}

// What upload.js calls.
function changed(upload) {
  const entry = uploads.find((one) => one.upload === upload)
  if (!entry || upload.state === 'cancelled') return
  if (upload.state === 'done') return finish(upload)
  if (upload.url) remember(upload)
  if (upload.state === 'failed') {
    forget(upload.fingerprint)
    startNext()
  }
  showUpload(entry)
}

function finish(upload) {
  forget(upload.fingerprint)
  finishedBytes += upload.file.size
  const link = { ...upload.link, name: upload.file.name, size: upload.file.size }
  savedLinks.write([link, ...savedLinks.read([])].slice(0, MOST_LINKS))
  showLink(link, true)
  drop(upload)
  announce(say('announce_done', { name: upload.file.name }))
}

function reasonOf(upload) {
  const code = upload.status === 404 || upload.status === 410 ? 'upload_ended' : upload.reason
  if (has(`why_${code}`)) return say(`why_${code}`)
  return say('why_other', { status: [upload.status, upload.reason].join(' ').trim() })
}

function stateText(upload) {
  if (upload.state === 'failed') return `${say('failed')}. ${reasonOf(upload)}`
  if (upload.state !== 'lost' && upload.state !== 'busy') return say(upload.state)
  const seconds = Math.max(0, Math.ceil((upload.nextTry - Date.now()) / 1000))
  return say(upload.state, { seconds })
}

// Once for each change: a reader that is told every second what it knows is switched off.
function announceState(entry) {
  const { upload } = entry
  if (entry.announced === upload.state) return
  entry.announced = upload.state
  const name = upload.file.name
  if (upload.state === 'failed') announce(say('announce_failed', { name, why: reasonOf(upload) }))
  if (upload.state === 'lost') announce(say('announce_lost', { name }))
}

function showUpload(entry) {
  const { upload, item } = entry
  const { state, sent, file } = upload
  const share = file.size > 0 ? sent / file.size : 0
  const part = (selector) => item.querySelector(selector)
  const waits = state === 'lost' || state === 'busy'
  const active = upload.isRunning || state === 'queued'
  item.className = `card upload ${state}`
  part('progress').value = share
  setText(part('.numbers'), `${say('of', { done: showBytes(sent), total: showBytes(file.size) })} · ${showPercent(share)}`)
  setText(part('.state'), stateText(upload))
  const moves = state === 'sending' && entry.rate > 0
  setText(part('.eta'), moves ? rateText(entry.rate, file.size - sent) : '')
  const offered = { pause: active && !waits, resume: state === 'paused', retry: waits || state === 'failed',
    watch: Boolean(upload.watch), cancel: true }
  for (const button of item.querySelectorAll('[data-do]')) {
    const hide = !offered[button.dataset.do]
    const had = hide && button === document.activeElement
    button.hidden = hide
    // Pause becomes Resume below the finger of who pressed it.
    if (had) queueMicrotask(() => item.querySelector('[data-do]:not([hidden])')?.focus())
  }
  announceState(entry)
}

function rateText(rate, left) {
  return `${showRate(rate)} · ${say('eta', { time: showDuration(left / rate) })}`
}

function showTotal() {
  element('uploads').hidden = uploads.length === 0
  element('total').hidden = uploads.length < 2
  element('pause-all').hidden = !uploads.some(({ upload }) => upload.isRunning || upload.state === 'queued')
  element('resume-all').hidden = !uploads.some(({ upload }) => upload.state === 'paused')
  const sum = (value) => uploads.reduce((total, entry) => total + value(entry), 0)
  const all = finishedBytes + sum(({ upload }) => upload.file.size)
  const done = finishedBytes + sum(({ upload }) => upload.sent)
  const rate = sum((entry) => (entry.upload.state === 'sending' ? entry.rate : 0))
  element('total-bar').value = all > 0 ? done / all : 0
  document.title = uploads.length > 0 && all > 0 ? `${showPercent(done / all)} · ${TITLE}` : TITLE
  const numbers = say('of', { done: showBytes(done), total: showBytes(all) })
  setText(element('total-numbers'), rate > 0 ? `${numbers} · ${rateText(rate, all - done)}` : numbers)
}

function tick() {
  for (const entry of uploads) {
    const { sent, state, isRunning } = entry.upload
    const moved = entry.lastSent === null ? 0 : Math.max(0, sent - entry.lastSent)
    const now = moved * (1000 / TICK_MS)
    entry.rate = state !== 'sending' ? 0 : entry.rate === 0 ? now : entry.rate + SMOOTHING * (now - entry.rate)
    entry.lastSent = state === 'sending' ? sent : null
    if (isRunning) showUpload(entry)
  }
  if (uploads.length > 0) showTotal()
}

// Unfinished ones of earlier visits ----------------------------------------------------------------------------------

let wanted = null // the fingerprint that #again picks a file for

function showUnfinished() {
  const list = element('unfinished-list')
  list.replaceChildren()
  for (const [fingerprint, known] of Object.entries(savedUploads.read({}))) {
    if (uploads.some(({ upload }) => upload.fingerprint === fingerprint)) continue
    const item = makeItem('unfinished-template', known.name, {
      pick: () => {
        wanted = fingerprint
        element('again').click()
      },
      discard: () => {
        forget(fingerprint)
        discard(known.url)
        removeItem(item, element('choose-files'))
        element('unfinished').hidden = list.children.length === 0
      },
    })
    setText(item.querySelector('.numbers'), showBytes(known.size))
    list.append(item)
    askHowFar(fingerprint, known, item)
  }
  element('unfinished').hidden = list.children.length === 0
}

// By GET, which leaves an upload alone that runs in another tab.
async function askHowFar(fingerprint, known, item) {
  try {
    const answer = await fetch(known.url, { headers: { Accept: 'application/json' }, cache: 'no-store' })
    const isKnown = answer.status !== 404 && answer.status !== 410
    const { bytes_stored: bytes, state } = isKnown ? await answer.json() : {}
    if (!isKnown || state === 'failed' || state === 'cancelled') {
      forget(fingerprint)
      removeItem(item, element('choose-files'))
      element('unfinished').hidden = element('unfinished-list').children.length === 0
      return
    }
    const done = say('of', { done: showBytes(bytes), total: showBytes(known.size) })
    setText(item.querySelector('.numbers'), say('stored', { done }))
  } catch {
    // The server is away; the file can be picked nevertheless.
  }
}

function pickedAgain(files) {
  const file = files[0]
  if (!file) return
  if (fingerprintOf(file) !== wanted) return toast(say('wrong_file', { name: savedUploads.read({})[wanted]?.name ?? '' }))
  addFiles([file])
}

// Links --------------------------------------------------------------------------------------------------------------

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

// Files in -----------------------------------------------------------------------------------------------------------

// The files of a dropped folder, with those in its folders. An entry is asked again until it has told all: a browser
// tells a hundred at a time.
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))]
  const reader = entry.createReader()
  let files = []
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return files
    for (const one of some) files = files.concat(await filesOf(one))
  }
}

async function dropped(transfer) {
  // The list is emptied when this event is over: first all entries, then what they hold.
  const items = [...transfer.items].filter(({ kind }) => kind === 'file')
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null)
  const plain = [...transfer.files]
  if (!entries.some((entry) => entry?.isDirectory)) return addFiles(plain)
  for (const entry of entries) {
    if (!entry) continue
    try {
      addFiles(await filesOf(entry))
    } catch {
      toast(say('announce_failed', { name: entry.name, why: say('why_file_changed') }))
    }
  }
}

function pasted(event) {
  if (event.target.closest?.('input, textarea, dialog[open]')) return
  const files = [...event.clipboardData.files]
  const text = event.clipboardData.getData('text/plain')
  if (files.length === 0 && text !== '') {
    const stamp = new Date().toISOString().slice(0, 19).replace(/[T:]/g, '-')
    files.push(new File([text], `${say('pasted')}-${stamp}.txt`, { type: 'text/plain;charset=utf-8' }))
  }
  if (files.length === 0) return
  event.preventDefault()
  addFiles(files)
}

function listenForDrops() {
  let depth = 0
  const hasFiles = (event) => event.dataTransfer?.types.includes('Files')
  const mark = () => element('drop').classList.toggle('over', depth > 0)
  addEventListener('dragenter', (event) => {
    if (!hasFiles(event)) return
    event.preventDefault()
    depth += 1
    mark()
  })
  addEventListener('dragover', (event) => {
    if (hasFiles(event)) event.preventDefault()
  })
  addEventListener('dragleave', (event) => {
    if (hasFiles(event)) depth = Math.max(0, depth - 1)
    mark()
  })
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return
    event.preventDefault()
    depth = 0
    mark()
    dropped(event.dataTransfer)
  })
}

function listenForPicks(input, take) {
  input.addEventListener('change', () => {
    const files = [...input.files]
    input.value = '' // the same file can be picked again
    take(files)
  })
}

function begin() {
  listenForDrops()
  addEventListener('paste', pasted)
  element('choose-files').onclick = () => element('files').click()
  element('choose-folder').hidden = !('webkitdirectory' in element('folder')) // as on some phones
  element('choose-folder').onclick = () => element('folder').click()
  listenForPicks(element('files'), addFiles)
  listenForPicks(element('folder'), addFiles)
  listenForPicks(element('again'), pickedAgain)
  element('pause-all').onclick = () => {
    for (const { upload } of uploads) if (upload.isRunning || upload.state === 'queued') upload.pause()
    showTotal()
  }
  element('resume-all').onclick = () => {
    for (const { upload } of [...uploads]) if (upload.state === 'paused') resume(upload)
  }
  element('clear').onclick = () => {
    savedLinks.write([])
    element('link-list').replaceChildren()
    element('links').hidden = true
    element('choose-files').focus()
  }
  addEventListener('beforeunload', (event) => {
    if (uploads.some(({ upload }) => upload.isRunning || upload.state === 'queued')) event.preventDefault()
  })
  const links = savedLinks.read([])
  links.forEach((link, index) => showLink(link, false, index < MOST_ASKED))
  showUnfinished()
  setInterval(tick, TICK_MS)
}

begin()
