// Runs the steps of a block with pip, uv, twine, poetry, pdm and devpi pointed at an index, and with
// all state in the workspace. See withDevpi.txt.
//
// All work is done by `cheeseshop env`, in resources/withDevpi.sh: there is nothing to decide here.

def call(Map options = [:], String index, Closure body) {
    def arguments = ["WITH_DEVPI_INDEX=${index}"]
    if (options.server) {
        arguments << "WITH_DEVPI_SERVER=${options.server}"
    }
    if (options.caBundle) {
        arguments << "WITH_DEVPI_CA_BUNDLE=${options.caBundle}"
    }
    if (!options.login) {
        withEnv(settings(arguments)) { body() }
        return
    }
    def bindings = [usernamePassword(
        credentialsId: options.login,
        usernameVariable: 'CHEESESHOP_USER',
        passwordVariable: 'CHEESESHOP_PASSWORD'
    )]
    def found = []
    withCredentials(bindings) {
        found = settings(arguments + ['WITH_DEVPI_LOGIN=yes'])
    }
    withEnv(found) { body() }
}

List settings(List arguments) {
    def lines = ''
    withEnv(arguments) {
        lines = sh(
            label: 'Point pip and the others at an index',
            script: libraryResource('withDevpi.sh'),
            returnStdout: true
        )
    }
    return lines.readLines().findAll { it }
}
