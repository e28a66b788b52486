// What a person does on the pages of ringdrop, in headless Chromium: one scenario a run, told as a JSON object a line.
//
//   node page.mjs '{"scenario":"drop","url":URL,"files":[PATH...],...}'
import { createRequire } from 'node:module'

const require = createRequire(process.env.RINGDROP_NODE_PACKAGES + '/')
const { chromium } = require('playwright-core')
const axe = require('axe-core')

const asked = JSON.parse(process.argv[2])
const MIB = 1024 * 1024
const PATIENCE_MS = 60_000

const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')

const browser = await chromium.launch({
  executablePath: process.env.RINGDROP_CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
})
const said = [] // on the console, errors and warnings
const violations = [] // of the policy
const elsewhere = [] // requests to other hosts
const { host } = new URL(asked.url)

// A page whose console, policy and requests are looked at.
async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  context.setDefaultTimeout(PATIENCE_MS)
  await context.exposeFunction('tellViolation', (text) => violations.push(text))
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      globalThis.tellViolation(`${event.violatedDirective} ${event.blockedURI}`)
    })
  })
  return openIn(context, url)
}

async function openIn(context, url) {
  const page = await context.newPage()
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) said.push(message.text())
  })
  page.on('pageerror', (error) => said.push(String(error)))
  page.on('request', (request) => {
    const to = new URL(request.url())
    if (!['data:', 'blob:'].includes(to.protocol) && to.host !== host) elsewhere.push(request.url())
  })
  page.on('dialog', (dialog) => dialog.accept()) // that uploads run is no reason to stay
  await page.goto(url)
  return page
}

// So that there is a middle in which something can happen.
async function slowDown(page, bytesPerSecond) {
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Network.emulateNetworkConditions',
    { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond })
}

// As from the desktop.
async function dropFiles(page, paths) {
  const box = await page.locator('#drop').boundingBox()
  const where = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  const session = await page.context().newCDPSession(page)
  const data = { items: [], files: paths, dragOperationsMask: 1 }
  await session.send('Input.dispatchDragEvent', { type: 'dragEnter', ...where, data })
  await session.send('Input.dispatchDragEvent', { type: 'dragOver', ...where, data })
  const marked = await page.locator('#drop.over').count() === 1
  await session.send('Input.dispatchDragEvent', { type: 'drop', ...where, data })
  return marked
}

async function pick(page, button, paths) {
  const chooser = page.waitForEvent('filechooser')
  await page.locator(button).click()
  await (await chooser).setFiles(paths)
}

const bar = (page) => page.locator('#upload-list progress').first()
const valueOf = (page) => bar(page).evaluate((element) => element.value)
const waitForShare = (page, share) =>
  page.waitForFunction((least) => document.querySelector('#upload-list progress')?.value > least, share)
const waitForLinks = (page, count) =>
  page.waitForFunction((wanted) => document.querySelectorAll('#link-list li').length === wanted, count)
const linksOf = (page) => page.locator('#link-list a.file-name').evaluateAll((all) => all.map((one) => one.href))
const remembered = (page) => page.evaluate(() => Object.values(JSON.parse(localStorage.getItem('ringdrop.uploads') ?? '{}')))

const scenarios = {
  async drop() {
    const page = await open(asked.url)
    await slowDown(page, asked.rate)
    const marked = await dropFiles(page, asked.files)
    const named = await page.getByRole('progressbar', { name: 'film.mkv' }).count()
    const values = []
    const numbers = new Set()
    while (await page.locator('#link-list li').count() === 0) {
      values.push(await valueOf(page).catch(() => 1))
      numbers.add(await page.locator('#upload-list .eta').first().textContent({ timeout: 200 }).catch(() => ''))
      await page.waitForTimeout(100)
    }
    return { marked, named, values, numbers: [...numbers], links: await linksOf(page), kept: await remembered(page),
      announced: await page.locator('#announce').textContent() }
  },

  async pause() {
    const page = await open(asked.url)
    await slowDown(page, asked.rate)
    await pick(page, '#choose-files', asked.files)
    await waitForShare(page, 0.2)
    await page.locator('[data-do=pause]').click()
    const before = await valueOf(page)
    const focus = await page.evaluate(() => document.activeElement.dataset.do)
    await page.waitForTimeout(700) // several ticks, in which nothing may move
    const after = await valueOf(page)
    const state = await page.locator('#upload-list .state').textContent()
    await page.locator('[data-do=resume]').click()
    await waitForShare(page, after)
    await waitForLinks(page, 1)
    return { before, after, state, focus, links: await linksOf(page) }
  },

  async reload() {
    const page = await open(asked.url)
    await slowDown(page, asked.rate)
    await dropFiles(page, asked.files)
    await waitForShare(page, 0.3)
    await page.reload()
    const item = page.locator('#unfinished-list li')
    await page.waitForFunction(() => / /.test(document.querySelector('#unfinished-list .numbers')?.textContent))
    const shown = await item.textContent()
    const [{ url }] = await remembered(page)
    const posts = []
    page.on('request', (request) => { if (request.method() === 'POST') posts.push(request.url()) })
    await pick(page, '#unfinished-list [data-do=pick]', asked.files)
    await page.waitForSelector('#upload-list li.sending')
    const went = await page.waitForFunction(() => document.querySelector('#upload-list progress')?.value || null)
    const first = await went.jsonValue()
    await waitForLinks(page, 1)
    return { shown, url, first, posts, links: await linksOf(page), kept: await remembered(page),
      unfinished: await page.locator('#unfinished').isVisible() }
  },

  async forgotten() {
    const page = await open(asked.url)
    await slowDown(page, asked.rate)
    await dropFiles(page, asked.files)
    await waitForShare(page, 0.2)
    const [{ url }] = await remembered(page)
    await page.goto('about:blank')
    await page.request.delete(url, { headers: { 'Tus-Resumable': '1.0.0' } })
    await page.goto(asked.url)
    await page.waitForFunction(() => localStorage.getItem('ringdrop.uploads') === '{}')
    return { unfinished: await page.locator('#unfinished').isVisible() }
  },

  async kill() {
    const page = await open(asked.url)
    await slowDown(page, asked.rate)
    await dropFiles(page, asked.files)
    await waitForShare(page, 0.3)
    tell('half')
    await page.waitForSelector('#upload-list li.lost')
    const words = await page.locator('#upload-list .state').textContent()
    tell('lost')
    await waitForLinks(page, 1)
    return { words, links: await linksOf(page) }
  },

  async cancel() {
    const page = await open(asked.url)
    await slowDown(page, asked.rate)
    await dropFiles(page, asked.files)
    await waitForShare(page, 0.2)
    const [{ url }] = await remembered(page)
    const gone = page.waitForResponse((answer) => answer.request().method() === 'DELETE')
    await page.locator('[data-do=cancel]').click()
    return { url, status: (await gone).status(), kept: await remembered(page), items: await page.locator('#upload-list li').count(),
      focus: await page.evaluate(() => document.activeElement.id) }
  },

  async several() {
    const page = await open(asked.url)
    await page.locator('#max-downloads').selectOption('3')
    await page.locator('#expires').selectOption('1d')
    await slowDown(page, asked.rate)
    await dropFiles(page, asked.files) // one of them is a folder
    const most = { running: 0, total: false }
    while (await page.locator('#link-list li').count() < asked.count) {
      most.running = Math.max(most.running, await page.locator('#upload-list li.sending').count())
      most.total ||= await page.locator('#total').isVisible()
      await page.waitForTimeout(50)
    }
    const links = await linksOf(page)
    await page.waitForFunction(() => [...document.querySelectorAll('#link-list .state')].every((one) => one.textContent))
    const states = await page.locator('#link-list .state').allTextContents()
    await page.reload()
    return { most, links, states, afterReload: await linksOf(page) }
  },

  async paste() {
    const page = await open(asked.url)
    await page.evaluate(() => {
      const data = new DataTransfer()
      data.setData('text/plain', 'pasted words')
      document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))
    })
    await waitForLinks(page, 1)
    return { links: await linksOf(page) }
  },

  async link() {
    const page = await open(asked.url, { permissions: ['clipboard-read', 'clipboard-write'] })
    await pick(page, '#choose-files', asked.files)
    await waitForLinks(page, 1)
    const links = await linksOf(page)
    await page.locator('#link-list [data-do=copy]').click()
    await page.waitForSelector('#toast.shown')
    const copied = await page.evaluate(() => navigator.clipboard.readText())
    await page.locator('#link-list [data-do=qr]').click()
    await page.waitForSelector('#qr-code svg path')
    const short = await page.locator('#qr-url').textContent()
    await page.keyboard.press('Escape')

    const other = await openIn(page.context(), links[0])
    const title = await other.title()
    const download = other.waitForEvent('download')
    await other.locator('#download').click()
    await (await download).saveAs(asked.save)
    await other.close()

    await page.locator('#link-list [data-do=delete]').click()
    await page.locator('#delete-dialog [value=cancel]').click()
    const keptCount = await page.locator('#link-list li').count()
    await page.locator('#link-list [data-do=delete]').click()
    await page.locator('#delete-dialog [value=ok]').click()
    await waitForLinks(page, 0)
    return { links, copied, short, title, keptCount, name: (await download).suggestedFilename() }
  },

  async keyboard() {
    const page = await open(asked.url)
    const chooser = page.waitForEvent('filechooser')
    const stops = []
    for (let count = 0; count < 3; count += 1) {
      await page.keyboard.press('Tab')
      stops.push(await page.evaluate(() => document.activeElement.id || document.activeElement.className))
      if (stops.at(-1) === 'choose-files') await page.keyboard.press('Enter')
    }
    await (await chooser).setFiles(asked.files)
    await waitForLinks(page, 1)
    return { stops, links: await linksOf(page) }
  },

  async token() {
    const page = await open(asked.url)
    await pick(page, '#choose-files', asked.files)
    for (const token of ['wrong', asked.token]) {
      await page.waitForSelector('#token-dialog[open]')
      await page.locator('#token').fill(token)
      await page.keyboard.press('Enter')
    }
    await waitForLinks(page, 1)
    await pick(page, '#choose-files', asked.files) // is not asked again
    await waitForLinks(page, 2)
    return { links: await linksOf(page) }
  },

  async refused() {
    const page = await open(asked.url)
    await pick(page, '#choose-files', asked.files)
    await page.waitForSelector('#upload-list li.failed')
    return { state: await page.locator('#upload-list .state').textContent(),
      announced: await page.locator('#announce').textContent() }
  },

  async watch() {
    const page = await open(asked.url)
    await slowDown(page, asked.rate)
    await dropFiles(page, asked.files)
    await waitForShare(page, 0.1)
    const [{ watch }] = await remembered(page)
    const watcher = await open(watch)
    const sockets = []
    watcher.on('websocket', (socket) => sockets.push(socket.url()))
    await watcher.reload()
    const values = []
    while (!await watcher.locator('#open').isVisible()) {
      values.push(await watcher.locator('#bar').evaluate((element) => element.value))
      await watcher.waitForTimeout(100)
    }
    await waitForLinks(page, 1)
    return { values, sockets, link: await watcher.locator('#open').evaluate((one) => one.href), links: await linksOf(page),
      state: await watcher.locator('#state').textContent() }
  },

  async asked() {
    const page = await open(asked.url)
    const waitForState = (text) => page.waitForFunction((start) => document.getElementById('state').textContent.startsWith(start), text)
    await waitForState('Waiting for it to begin')
    tell('waiting')
    await waitForState('No connection')
    tell('lost')
    await waitForState('Done')
    return { state: await page.locator('#state').textContent(), title: await page.title(),
      link: await page.locator('#open').evaluate((one) => one.href) }
  },

  async unasked() {
    const page = await open(asked.url)
    await page.waitForFunction(() => document.getElementById('hint').hidden)
    return { state: await page.locator('#state').textContent() }
  },

  // Serious and critical findings of axe-core, by where, in both colour schemes, and pictures of all of it.
  async looks() {
    const findings = []
    const views = { desktop: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } }
    for (const [view, viewport] of Object.entries(views)) {
      for (const colorScheme of ['light', 'dark']) {
        const locale = view === 'phone' ? 'ru-RU' : 'en-US'
        const page = await open(asked.url, { viewport, colorScheme, locale, reducedMotion: 'reduce' })
        const look = async (where, fullPage = true) => {
          await page.evaluate(axe.source)
          const { violations: found } = await page.evaluate(() => globalThis.axe.run())
          for (const one of found) {
            if (!['serious', 'critical'].includes(one.impact)) continue
            findings.push(`${where} ${view} ${colorScheme}: ${one.id} ${one.nodes.map(({ html }) => html).join(' ')}`)
          }
          const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
          if (wide) findings.push(`${where} ${view} ${colorScheme}: wider than the window`)
          if (asked.pictures) await page.screenshot({ path: `${asked.pictures}/${where}-${view}-${colorScheme}.png`, fullPage })
        }
        await look('empty')
        await pick(page, '#choose-files', asked.small)
        await waitForLinks(page, asked.small.length)
        await slowDown(page, asked.rate)
        await pick(page, '#choose-files', asked.files)
        await waitForShare(page, 0.2)
        await page.locator('#upload-list li:nth-child(2) [data-do=pause]').click()
        await look('busy')
        await page.locator('#link-list [data-do=qr]').first().click()
        await page.waitForSelector('#qr-code svg path')
        await look('qr', false)
        await page.keyboard.press('Escape')
        await page.locator('#link-list [data-do=delete]').first().click()
        await look('delete', false)
        await page.keyboard.press('Escape')
        await page.evaluate(() => document.getElementById('token-dialog').showModal())
        await look('token', false)
        await page.keyboard.press('Escape')
        // Whichever was done first; the other is displayed by the browser itself.
        const link = (await linksOf(page)).find((one) => one.endsWith('.zip'))
        const [{ watch }] = await remembered(page)
        await page.reload()
        await page.waitForFunction(() => / /.test(document.querySelector('#unfinished-list .numbers')?.textContent))
        await look('unfinished')
        await page.goto(watch)
        await page.waitForFunction(() => document.getElementById('bytes').textContent)
        await look('watch')
        await page.goto(link)
        await look('link')
        await page.goto(`${asked.url}nothing`)
        await look('missing')
        await page.context().close()
      }
    }
    said.splice(0, said.length, ...said.filter((text) => !text.includes('404'))) // of the missing page
    return { findings }
  },
}

try {
  const result = await scenarios[asked.scenario]()
  tell('done', { ...result, said, violations, elsewhere })
} catch (error) {
  tell('done', { error: String(error.stack), said, violations, elsewhere })
} finally {
  await browser.close()
}
