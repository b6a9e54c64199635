import type { Settings } from './settings.ts'

/** Where dockerd's clients and scripts look for it. Data stays where Gantry's is: the two cannot read each other's. */
const dockerdPlaces: Settings = {
  hosts: ['unix:///var/run/docker.sock'],
  pidfile: '/var/run/docker.pid',
  group: 'docker',
}

/**
 * The daemon started under another name (a link to it): as `dockerd` it has that one's socket, pid file, group and daemon.json, so that
 * what starts a dockerd can start it instead.
 */
export function placesOf(environment: Readonly<Record<string, string | undefined>>): {
  program: string
  configFile: string
  defaults: Settings
} {
  return environment['GANTRY_PROGRAM'] === 'dockerd'
    ? { program: 'dockerd', configFile: '/etc/docker/daemon.json', defaults: dockerdPlaces }
    : { program: 'gantryd', configFile: '/etc/gantry/daemon.json', defaults: {} }
}
