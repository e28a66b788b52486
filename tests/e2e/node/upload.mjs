// Uploads one file by tus-js-client and tells what happens as one JSON object a line.
//
//   node upload.mjs '{"endpoint":...,"file":...,"protocol":...}'
//
// {event:"url"}, {event:"progress"}, and one of {event:"success"}, {event:"error"}, {event:"stopped"} in the end.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { PassThrough } from 'node:stream'

// The packages are in the build directory, and what is imported is looked for beside the file that imports.
const require = createRequire(process.env.RINGDROP_NODE_PACKAGES + '/')
const tus = require('tus-js-client')

const asked = JSON.parse(process.argv[2])
const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')

const input = asked.stream
  ? fs.createReadStream(asked.file).pipe(new PassThrough()) // no file any more: its length cannot be known
  : asked.parallelUploads > 1
    ? fs.createReadStream(asked.file) // the client opens it once more for each part
    : fs.readFileSync(asked.file)

const requests = []
const upload = new tus.Upload(input, {
  endpoint: asked.endpoint,
  uploadUrl: asked.uploadUrl ?? null,
  protocol: asked.protocol ?? 'tus-v1',
  chunkSize: asked.chunkSize ?? Number.POSITIVE_INFINITY,
  uploadLengthDeferred: asked.deferred ?? false,
  uploadDataDuringCreation: asked.uploadDataDuringCreation ?? false,
  parallelUploads: asked.parallelUploads ?? 1,
  overridePatchMethod: asked.overridePatchMethod ?? false,
  metadata: asked.metadata ?? {},
  retryDelays: Array(asked.retries ?? 0).fill(asked.retryDelay ?? 30),
  storeFingerprintForResuming: false,
  onAfterResponse(request, response) {
    requests.push(`${request.getMethod()} ${response.getStatus()}`)
  },
  onUploadUrlAvailable() {
    tell('url', { url: upload.url })
  },
  onChunkComplete(_size, accepted) {
    tell('progress', { accepted })
    if (asked.stopAfter !== undefined && accepted >= asked.stopAfter) {
      upload.abort(asked.terminate ?? false).then(
        () => tell('stopped', { url: upload.url, requests }),
        (error) => tell('error', { message: String(error), requests }),
      )
    }
  },
  onSuccess({ lastResponse }) {
    const link = lastResponse.getHeader('Upload-Link')
    const deletion = lastResponse.getHeader('X-Url-Delete')
    tell('success', { url: upload.url, link, deletion, requests })
  },
  onError(error) {
    tell('error', { message: String(error), status: error.originalResponse?.getStatus(), requests })
    process.exitCode = 1
  },
})
upload.start()
