/** A Debian with PostgreSQL and Redis, for tests that are asked for: GANTRY_TEST_DATABASES=1. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { command, type Session } from './harness.ts'

export const withoutDatabases =
  process.env['GANTRY_TEST_DATABASES'] === '1' ? false : 'GANTRY_TEST_DATABASES is not 1'

/** Imports it as `debian-databases`. Needs mmdebstrap and minutes, or the tar that GANTRY_TEST_DEBIAN names. */
export async function importDebian(s: Session): Promise<void> {
  const tar = process.env['GANTRY_TEST_DEBIAN'] ?? join(s.daemon.home, 'debian.tar')
  if (!existsSync(tar)) {
    const packages = '--include=postgresql,redis-server'
    const made = await command(['mmdebstrap', '--variant=minbase', packages, 'bookworm', tar], {
      timeout: 900_000,
    })
    assert.equal(made.code, 0, made.stderr)
  }
  const { code, stderr } = await s.run(['import', tar, 'debian-databases'], { timeout: 300_000 })
  assert.equal(code, 0, stderr)
}
