import { userNetworkScenarios } from '../system/scenarios/user-networks.ts'

userNetworkScenarios('docker')
