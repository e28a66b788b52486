// Opens a page in headless Chromium, calls its `uploadAll(asked)` and tells what that returns, as a JSON object a line.
//
//   node browser.mjs '{"page":URL,"asked":{...}}'
import { createRequire } from 'node:module'

const require = createRequire(process.env.RINGDROP_NODE_PACKAGES + '/')
const { chromium } = require('playwright-core')

const { page: address, asked } = JSON.parse(process.argv[2])
const browser = await chromium.launch({
  executablePath: process.env.RINGDROP_CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
})
try {
  const page = await browser.newPage()
  const said = []
  page.on('console', (message) => said.push(message.text()))
  await page.goto(address)
  const result = await page.evaluate((words) => window.uploadAll(words), asked)
  process.stdout.write(JSON.stringify({ event: 'done', version: browser.version(), console: said, ...result }) + '\n')
} finally {
  await browser.close()
}
