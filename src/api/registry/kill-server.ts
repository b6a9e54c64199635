/** For kill.slow.test.ts: serves the directory that it is given, and prints where. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { FilesStorage, Registry } from '../../distribution/index.ts'
import { silentLogger } from '../../lib/log.ts'
import { RegistryApi } from './server.ts'

const directory = process.argv[2] ?? ''
const storage = await FilesStorage.open(directory)
const registry = await Registry.open({ storage, spool: join(directory, 'uploads') })
const server = createServer(new RegistryApi({ registry, log: silentLogger }).listener)
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
