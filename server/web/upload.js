// One file on its way to the server, by tus 1.0.0: created by POST, sent by PATCHes of one piece each, asked after by HEAD
// when anything went wrong. It gives up only when the server says that it must; a dead server or network it waits for.
//
// Not here: what is shown, which files wait for which, what is remembered between two visits.

const PIECE_BYTES = 64 * 1024 * 1024 // the browser keeps no more of a file at hand
const SILENCE_MS = 90_000 // a request that moves nothing for so long is asked after
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000
const MOST_NEW_STARTS = 3 // when the server has forgotten it

// Where the server is: this script is in its assets/.
export const ROOT = new URL('..', import.meta.url)

const TUS = { 'Tus-Resumable': '1.0.0' }

// What the server answered instead of what was hoped for.
class Refusal extends Error {
  constructor(status, code) {
    super(code)
    this.status = status
    this.code = code
  }

  get passes() {
    return this.status === 408 || this.status === 409 || this.status === 429 ||
      (this.status >= 500 && this.status !== 507 && this.status !== 501)
  }
}

function codeOf(body) {
  try {
    return JSON.parse(body).code ?? ''
  } catch {
    return /^ringdrop: \d+ (\w+):/.exec(body)?.[1] ?? ''
  }
}

function encodeBase64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

// As fetch; ended by `signal`, or when no answer comes for too long.
async function fetchWithin(signal, url, options) {
  const both = new AbortController()
  const stop = () => both.abort()
  const timer = setTimeout(stop, SILENCE_MS)
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    return await fetch(url, { ...options, signal: both.signal, cache: 'no-store' })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

// The same file picked again has the same one.
export function fingerprintOf(file) {
  return [file.name, file.size, file.lastModified].join('/')
}

export class Upload {
  // queued sending asking paused lost busy finishing done failed cancelled
  state = 'queued'
  reason = '' // of failed: a code of the server, or file_changed
  status = 0
  sent = 0 // bytes, as far as is known
  url = null // of the upload resource
  watch = null // where others may watch it
  link = null // when done: { url, deleteUrl }
  nextTry = 0 // of lost and busy: when, as Date.now()

  #offset = 0 // bytes that the server has said it has
  #sentToken = null
  #stop = null // ends the run that is under way
  #wake = null // ends its wait
  #changed
  #token

  // `options`: { expires, max_downloads }, each may be ''. `changed(upload)` is called after each change. `token(isWrong)`
  // promises the upload token, or null when there is none to be had.
  constructor(file, options, changed, token) {
    this.file = file
    this.options = options
    this.#changed = changed
    this.#token = token
  }

  // Goes on with one that is there already.
  adopt(url, watch) {
    this.url = url
    this.watch = watch
  }

  get isRunning() {
    return this.#stop !== null
  }

  start() {
    if (this.isRunning) return
    this.#stop = new AbortController()
    this.#run(this.#stop.signal)
  }

  pause() {
    this.#end('paused')
  }

  retryNow() {
    this.#wake?.()
  }

  // The server forgets what it has of it.
  async cancel() {
    this.#end('cancelled')
    if (this.url) await discard(this.url)
  }

  #end(state) {
    this.#stop?.abort()
    this.#stop = null
    this.sent = this.#offset
    this.#become(state)
  }

  #become(state) {
    this.state = state
    this.#changed(this)
  }

  async #run(signal) {
    let failures = 0
    let starts = 0
    while (!signal.aborted) {
      const before = this.#offset
      try {
        await this.#send(signal)
        if (signal.aborted) return
        this.#stop = null
        this.#become('done')
        return
      } catch (error) {
        if (signal.aborted) return
        if (error.status === 401 && await this.#findToken(signal)) continue
        if (signal.aborted) return
        const isForgotten = this.url && (error.status === 404 || error.status === 410)
        if (isForgotten && starts < MOST_NEW_STARTS) {
          starts += 1
          this.url = null
          this.#take(0)
          continue
        }
        if (error instanceof Refusal && !error.passes) return this.#fail(error)
        failures = this.#offset > before ? 1 : failures + 1
        await this.#wait(error, failures, signal)
      }
    }
  }

  #fail(error) {
    this.reason = error.code
    this.status = error.status
    this.#stop = null
    this.#become('failed')
  }

  async #findToken(signal) {
    const token = await this.#token(this.#sentToken)
    if (signal.aborted || token === null) return false
    this.#sentToken = token
    return true
  }

  // Until the time is over, the network is back, or somebody is impatient.
  #wait(error, failures, signal) {
    const delay = Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS)
    this.nextTry = Date.now() + delay
    this.sent = this.#offset
    this.#become(error instanceof Refusal ? 'busy' : 'lost')
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake(), delay)
      this.#wake = () => {
        clearTimeout(timer)
        removeEventListener('online', this.#wake)
        signal.removeEventListener('abort', this.#wake)
        resolve()
      }
      addEventListener('online', this.#wake)
      signal.addEventListener('abort', this.#wake)
    })
  }

  async #send(signal) {
    if (!this.url) {
      await this.#create(signal)
    } else {
      await this.#ask(signal)
    }
    while (!this.link) {
      // A file that was changed or removed looks like a broken connection, but for this.
      try {
        await this.file.slice(this.#offset, this.#offset + 1).arrayBuffer()
      } catch {
        throw new Refusal(0, 'file_changed')
      }
      if (signal.aborted) throw new Error('stopped')
      await this.#append(signal)
    }
  }

  async #create(signal) {
    this.#become('sending')
    const metadata = { filename: this.file.name, filetype: this.file.type, ...this.options }
    const pairs = Object.entries(metadata).filter(([, value]) => value).map(([key, value]) => `${key} ${encodeBase64(value)}`)
    const headers = { ...TUS, Accept: 'application/json', 'Upload-Length': String(this.file.size) }
    if (pairs.length > 0) headers['Upload-Metadata'] = pairs.join(',')
    this.#sentToken ??= await this.#token(undefined, true)
    if (this.#sentToken) headers.Authorization = `Bearer ${this.#sentToken}`
    // Without credentials the browser does not ask for a password of its own when the token is missing.
    const answer = await fetchWithin(signal, new URL('uploads', ROOT), { method: 'POST', headers, credentials: 'omit' })
    if (answer.status !== 201) throw new Refusal(answer.status, codeOf(await answer.text()))
    this.url = new URL(answer.headers.get('Location'), answer.url).href
    this.watch = answer.headers.get('Upload-Watch')
    this.#adoptAnswer((name) => answer.headers.get(name))
    this.#changed(this)
  }

  async #ask(signal) {
    this.#become('asking')
    const answer = await fetchWithin(signal, this.url, { method: 'HEAD', headers: TUS })
    if (answer.status !== 200) throw new Refusal(answer.status, '')
    this.#adoptAnswer((name) => answer.headers.get(name))
    if (!this.link && this.#offset >= this.file.size) throw new Refusal(503, '')
  }

  // XMLHttpRequest, since fetch does not tell how much has left.
  #append(signal) {
    const start = this.#offset
    const end = Math.min(start + PIECE_BYTES, this.file.size)
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      const stop = () => request.abort()
      let watchdog = setTimeout(stop, SILENCE_MS)
      const finish = (settle, value) => {
        clearTimeout(watchdog)
        signal.removeEventListener('abort', stop)
        settle(value)
      }
      request.upload.onprogress = (event) => {
        clearTimeout(watchdog)
        watchdog = setTimeout(stop, SILENCE_MS)
        if (signal.aborted) return
        this.sent = start + event.loaded
        const state = this.sent >= this.file.size ? 'finishing' : 'sending'
        if (state !== this.state) this.#become(state)
      }
      request.onload = () => {
        if (request.status !== 204) return finish(reject, new Refusal(request.status, codeOf(request.responseText)))
        if (!signal.aborted) this.#adoptAnswer((name) => request.getResponseHeader(name))
        finish(resolve)
      }
      request.onerror = request.onabort = () => finish(reject, new Error('broken off'))
      request.open('PATCH', this.url)
      for (const [name, value] of Object.entries(TUS)) request.setRequestHeader(name, value)
      request.setRequestHeader('Accept', 'application/json')
      request.setRequestHeader('Content-Type', 'application/offset+octet-stream')
      request.setRequestHeader('Upload-Offset', String(start))
      signal.addEventListener('abort', stop)
      this.#become('sending')
      request.send(this.file.slice(start, end))
    })
  }

  #take(offset) {
    this.#offset = offset
    this.sent = offset
  }

  #adoptAnswer(field) {
    const offset = Number(field('Upload-Offset') ?? NaN)
    if (!Number.isSafeInteger(offset)) throw new Refusal(503, '')
    this.#take(offset)
    const url = field('Upload-Link')
    if (url) this.link = { url, deleteUrl: field('X-Url-Delete') }
  }
}

// Cancels an upload by its URL. Of one that cannot be reached now, the server gets rid by itself when it expires.
export async function discard(url) {
  try {
    await fetch(url, { method: 'DELETE', headers: TUS, keepalive: true })
  } catch {
    // see above
  }
}
