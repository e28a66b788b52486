// The page at /: files in, links out. Lets a few files upload at once (upload.js), shows how they go, and keeps in this
// browser what is unfinished.
import { discard, fingerprintOf, Upload } from './upload.js'
import { listenForPicks, takeFiles } from './intake.js'
import { addLink, showLinks } from './links.js'
import { savedToken, savedUploads } from './memory.js'
import { announce, ask, copy, element, makeItem, removeItem, setText, toast } from './page.js'
import { has, say, showBytes, showDuration, showPercent, showRate } from './text.js'

const AT_ONCE = 3
const TICK_MS = 500
const SMOOTHING = 0.25 // how much the newest tick counts in a rate
const TITLE = document.title

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
  addLink(link)
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

// The upload token ---------------------------------------------------------------------------------------------------

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

function begin() {
  takeFiles(addFiles)
  listenForPicks(element('again'), pickedAgain)
  element('pause-all').onclick = () => {
    for (const { upload } of uploads) if (upload.isRunning || upload.state === 'queued') upload.pause()
    showTotal()
  }
  element('resume-all').onclick = () => {
    for (const { upload } of [...uploads]) if (upload.state === 'paused') resume(upload)
  }
  addEventListener('beforeunload', (event) => {
    if (uploads.some(({ upload }) => upload.isRunning || upload.state === 'queued')) event.preventDefault()
  })
  showLinks()
  showUnfinished()
  setInterval(tick, TICK_MS)
}

begin()
