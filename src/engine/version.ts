import packageJson from '../../package.json' with { type: 'json' }

/** The version of this engine, from its package. */
export const productVersion: string = packageJson.version
