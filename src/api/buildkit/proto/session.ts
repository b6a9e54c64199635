import { bytes, message, string, stringMap } from './message.ts'

/** Messages of the services that a client offers through its session. */

/** Of moby.filesync.v1.FileSend, moby.upload.v1.Upload, moby.sshforward.v1.SSH and Control.Session. */
export const BytesMessage = message({ data: bytes(1) })

export const GetSecretRequest = message({ ID: string(1), annotations: stringMap(2) })
export const GetSecretResponse = message({ data: bytes(1) })

export const CheckAgentRequest = message({ ID: string(1) })
export const CheckAgentResponse = message({})

export const CredentialsRequest = message({ Host: string(1) })
export const CredentialsResponse = message({ Username: string(1), Secret: string(2) })
