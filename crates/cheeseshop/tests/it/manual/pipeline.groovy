// What Jenkins does for the steps that `withDevpi` and a pipeline use: `groovy pipeline.groovy CHECKOUT PIPELINE`.
// The credentials `devpi-ci` are those of the user team.

def (checkout, pipeline) = args
def variables = new HashMap(System.getenv())

def during = { Map more, Closure body ->
    def before = new HashMap(variables)
    variables.putAll(more)
    try {
        body()
    } finally {
        variables.clear()
        variables.putAll(before)
    }
}

def steps = new Binding()
steps.withEnv = { List settings, Closure body ->
    during(settings.collectEntries { it.split('=', 2) as List }.collectEntries { name, value -> [name, value.replace('$$', '$')] }, body)
}
steps.withCredentials = { List bindings, Closure body ->
    during(bindings.collectEntries { [(it.usernameVariable): 'team', (it.passwordVariable): 'teams-password'] }, body)
}
steps.usernamePassword = { Map binding ->
    assert binding.credentialsId == 'devpi-ci'
    binding
}
steps.libraryResource = { String name -> new File("$checkout/deploy/jenkins/resources/$name").text }
steps.sh = { step ->
    def script = step instanceof Map ? step.script : step
    def builder = new ProcessBuilder('sh', '-ec', script).redirectError(ProcessBuilder.Redirect.INHERIT)
    builder.environment().clear()
    builder.environment().putAll(variables)
    def process = builder.start()
    process.outputStream.close()
    def said = process.inputStream.text
    assert process.waitFor() == 0: said
    if (step instanceof Map && step.returnStdout) {
        return said
    }
    print said
}
def shell = new GroovyShell(steps)
steps.withDevpi = shell.parse(new File("$checkout/deploy/jenkins/vars/withDevpi.groovy")).&call
shell.evaluate(new File(pipeline))
