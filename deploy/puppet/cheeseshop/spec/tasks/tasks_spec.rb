# frozen_string_literal: true

require_relative '../unit/shop'
require 'etc'
require 'net/http'
require 'open3'

describe 'tasks' do
  include Shop

  # As Bolt runs a task: parameters on standard input, files in a directory of its own.
  def run(task, parameters)
    FileUtils.mkdir_p(File.join(directory, 'cheeseshop/lib/puppet_x'))
    FileUtils.cp_r(File.join(MODULE, 'lib/puppet_x/cheeseshop'), File.join(directory, 'cheeseshop/lib/puppet_x'))
    script = file(task, File.read(File.join(MODULE, 'tasks', "#{task}.rb")), 0o700)
    input = JSON.generate(parameters.merge('_installdir' => directory, '_task' => "cheeseshop::#{task}"))
    path = [File.dirname(Shop::PROGRAM), ENV.fetch('PATH')].join(':')
    output, errors, status = Open3.capture3({ 'PATH' => path }, 'ruby', script, stdin_data: input)
    @said = output + errors
    @code = status.exitstatus
    JSON.parse(output)
  end

  attr_reader :said, :code

  # An sdist with nothing in it but its metadata.
  def upload(index, user, password)
    name = 'hello_shop-1.0'
    FileUtils.mkdir_p(File.join(directory, name))
    file("#{name}/PKG-INFO", "Metadata-Version: 2.2\nName: hello-shop\nVersion: 1.0\n", 0o644)
    system('tar', '-C', directory, '-czf', File.join(directory, "#{name}.tar.gz"), name) || raise('tar')
    request = Net::HTTP::Post.new("/#{index}/")
    request.basic_auth(user, password)
    File.open(File.join(directory, "#{name}.tar.gz"), 'rb') do |archive|
      fields = { ':action' => 'file_upload', 'name' => 'hello-shop', 'version' => '1.0', 'filetype' => 'sdist', 'metadata_version' => '2.2' }
      request.set_form([*fields.to_a, ['content', archive, { filename: "#{name}.tar.gz" }]], 'multipart/form-data')
      expect(ask(request).code).to eq('200')
    end
  end

  def projects(index)
    JSON.parse(ask(Net::HTTP::Get.new("/#{index}", 'Accept' => 'application/json')).body)['result']['projects']
  end

  def ask(request)
    url = URI(Shop.server['url'])
    Net::HTTP.start(url.host, url.port) { |http| http.request(request) }
  end

  def message(answer)
    answer.fetch('_error').fetch('msg')
  end

  def metadata(task)
    JSON.parse(File.read(File.join(MODULE, 'tasks', "#{task}.json")))
  end

  ['backup', 'promote'].each do |task|
    describe "the metadata of #{task}" do
      it 'has types that Puppet knows, and says what is a secret' do
        metadata(task)['parameters'].each do |name, parameter|
          type = Puppet::Pops::Types::TypeParser.singleton.parse(parameter.fetch('type'))
          expect(type.instance?(parameter['default'])).to be(true) if parameter.key?('default')
          expect(parameter['sensitive']).to be(true) if ['password', 'token'].include?(name)
        end
      end

      it 'names just what the task asks for' do
        asked = File.read(File.join(MODULE, 'tasks', "#{task}.rb")).scan(%r{task\.(?:text|required|number|flag)\('(\w+)'}).flatten
        asked += ['copy', 'include_remote_blobs'] if task == 'backup'
        asked += ['url', 'user', 'password', 'token', 'ca_bundle'] if task == 'promote'
        expect(metadata(task)['parameters'].keys).to match_array(asked.uniq)
      end

      it 'keeps parameters off the list of processes' do
        expect(metadata(task)['input_method']).to eq('stdin')
      end
    end
  end

  describe 'promote' do
    let(:user) { |example| "p#{example.description.sum}" }
    let(:parameters) { { 'release' => 'hello-shop==1.0', 'from' => "#{user}/dev", 'to' => "#{user}/staging" } }

    before do
      apply(
        [:cheeseshop_user, user, { password: 'secret-of-user' }],
        [:cheeseshop_index, "#{user}/dev", { bases: [], acl_upload: [user] }],
        [:cheeseshop_index, "#{user}/staging", { bases: [], acl_upload: [user, 'root'] }]
      )
      upload("#{user}/dev", user, 'secret-of-user')
    end

    it 'hands a release on, by the login of the machine' do
      expect(run('promote', parameters)).to include('release' => 'hello-shop==1.0', 'to' => "#{user}/staging")
      expect(projects("#{user}/staging")).to eq(['hello-shop'])
    end

    it 'takes a login of its own, and shows it nowhere' do
      ENV['CHEESESHOP_PUPPET_SETTINGS'] = '/nonexistent'
      login = { 'url' => Shop.server['url'], 'user' => user, 'password' => 'secret-of-user' }
      run('promote', parameters.merge(login))
      expect([code, projects("#{user}/staging")]).to eq([0, ['hello-shop']])
      run('promote', parameters.merge(login, 'password' => 'not-the-secret'))
      expect(code).to eq(1)
      expect(said).not_to match(%r{secret})
    end

    it 'says why a release was not handed on' do
      answer = run('promote', parameters.merge('release' => 'hello-shop==2.0'))
      expect(code).to eq(1)
      expect(message(answer)).to match(%r{hello.shop})
      expect(answer['_error']['kind']).to eq('cheeseshop/failed')
    end

    it 'sends the password of the machine to no other server' do
      answer = run('promote', parameters.merge('url' => 'http://other.test/'))
      expect([code, message(answer)]).to match([1, %r{needs password or token}])
    end

    it 'takes nothing for an option, and repeats nothing that is wrong' do
      [
        { 'release' => '--pypirc==/etc/shadow' }, { 'release' => "a==1\n" }, { 'to' => 'pypi:elsewhere' }, { 'from' => 3 },
        { 'url' => 'http://bob:geheim@shop.test/' }, { 'token' => 'a b' }, { 'documentation' => 'some' }, { 'release' => nil }
      ].each do |wrong|
        answer = run('promote', parameters.merge(wrong))
        expect([code, answer['_error']['kind']]).to eq([1, 'cheeseshop/wrong-parameter'])
        expect(said).not_to include('geheim')
      end
    end
  end

  describe 'backup' do
    let(:me) { Etc.getpwuid.name }
    let(:settings_file) { file('cheeseshop.toml', "[server]\ndata_dir = \"#{directory}/data\"\n[backup]\ndirectory = \"#{directory}/backups\"\n") }
    let(:parameters) { { 'user' => me, 'config' => settings_file } }

    before do
      system(Shop::PROGRAM, 'init', '--config', settings_file, out: File::NULL, err: File::NULL) || raise('init')
    end

    def backups(folder)
      Dir.children(File.join(directory, folder)).reject { |name| name.start_with?('.') }
    end

    it 'makes one where the settings say, and where it is told' do
      expect(run('backup', parameters)).to be_a(Hash)
      expect([code, backups('backups').size]).to eq([0, 1])
      run('backup', parameters.merge('directory' => "#{directory}/other", 'keep' => 1))
      expect(backups('other').size).to eq(1)
    end

    it 'says why there is none' do
      answer = run('backup', parameters.merge('config' => '/nonexistent.toml'))
      expect([code, message(answer)]).to match([1, %r{/nonexistent\.toml}])
      answer = run('backup', parameters.merge('user' => 'nobody-of-that-name'))
      expect([code, message(answer)]).to match([1, %r{there is no nobody-of-that-name}])
    end

    it 'takes nothing for an option' do
      [{ 'directory' => '--keep=1' }, { 'keep' => 0 }, { 'keep' => '1' }, { 'copy' => 'yes' }, { 'user' => '-c' }].each do |wrong|
        answer = run('backup', parameters.merge(wrong))
        expect([code, answer['_error']['kind']]).to eq([1, 'cheeseshop/wrong-parameter'])
      end
    end
  end
end
