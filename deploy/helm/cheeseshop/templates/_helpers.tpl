{{- define "cheeseshop.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cheeseshop.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cheeseshop.names" -}}
app.kubernetes.io/name: {{ include "cheeseshop.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Of the server alone: jobs have names and another component. */}}
{{- define "cheeseshop.selector" -}}
{{ include "cheeseshop.names" . }}
app.kubernetes.io/component: server
{{- end }}

{{- define "cheeseshop.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{ include "cheeseshop.names" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "cheeseshop.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- define "cheeseshop.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "cheeseshop.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "cheeseshop.url" -}}
{{- if .Values.internalUrl -}}
{{ .Values.internalUrl }}
{{- else -}}
{{ ternary "https" "http" .Values.tls.enabled }}://{{ include "cheeseshop.fullname" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.port }}/
{{- end -}}
{{- end }}

{{/* Every pod. 31415 is the user of the image; by the group it reads Secrets and writes to volumes. OpenShift gives
     both, and refuses what is said here. */}}
{{- define "cheeseshop.podSecurity" -}}
runAsNonRoot: true
{{- if not .Values.openshift }}
runAsUser: 31415
runAsGroup: 31415
fsGroup: 31415
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Every container. */}}
{{- define "cheeseshop.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What the image sets, said again where the chart differs: variables go before cheeseshop.toml. */}}
{{- define "cheeseshop.env" -}}
- name: CHEESESHOP_DATA_DIR
  value: /var/lib/cheeseshop/data
- name: CHEESESHOP_SERVER__LISTEN
  value: {{ ternary "https://" "" .Values.tls.enabled }}0.0.0.0:3141
{{- if .Values.rootPassword.existingSecret }}
# Read when root is made, and never again.
- name: CHEESESHOP_AUTH__ROOT_PASSWORD_FILE
  value: /run/cheeseshop/root/password
{{- else }}
# The log of a pod is kept.
- name: CHEESESHOP_AUTH__PRINT_ROOT_PASSWORD
  value: never
{{- end }}
{{- end }}

{{/* The password of root: in the server and in the layout's Job. A Secret that has gone must not keep a server from
     starting that has its root, so it is optional there; the first start says what is missing. */}}
{{- define "cheeseshop.rootVolume" -}}
- name: root
  secret:
    secretName: {{ .Values.rootPassword.existingSecret }}
    defaultMode: 0400
    optional: true
    items:
      - key: {{ .Values.rootPassword.key }}
        path: password
{{- end }}

{{/* Clients keep logins in a folder, and trust what they are told to. */}}
{{- define "cheeseshop.clientEnv" -}}
- name: HOME
  value: /tmp
{{- if or .Values.tls.ca.existingSecret .Values.tls.ca.existingConfigMap }}
- name: SSL_CERT_FILE
  value: /run/cheeseshop/ca/ca.crt
{{- end }}
{{- end }}

{{- define "cheeseshop.clientMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if or .Values.tls.ca.existingSecret .Values.tls.ca.existingConfigMap }}
- name: ca
  mountPath: /run/cheeseshop/ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "cheeseshop.clientVolumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmpSize }}
{{- with .Values.tls.ca }}
{{- if .existingSecret }}
- name: ca
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0400
    items:
      - key: {{ .key }}
        path: ca.crt
{{- else if .existingConfigMap }}
- name: ca
  configMap:
    name: {{ .existingConfigMap }}
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- end }}

{{/* What the server and the commands beside it see. */}}
{{- define "cheeseshop.mounts" -}}
- name: config
  mountPath: /etc/cheeseshop
  readOnly: true
- name: data
  mountPath: /var/lib/cheeseshop
- name: tmp
  mountPath: /tmp
{{- if include "cheeseshop.secretSources" . }}
- name: secrets
  mountPath: /run/cheeseshop/secrets
  readOnly: true
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  mountPath: /run/cheeseshop/tls
  readOnly: true
{{- end }}
{{- end }}

{{/* All but `data`, which differs. */}}
{{- define "cheeseshop.volumes" -}}
- name: config
  configMap:
    name: {{ include "cheeseshop.fullname" . }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmpSize }}
{{- with include "cheeseshop.secretSources" . }}
- name: secrets
  projected:
    defaultMode: 0400
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ .Values.tls.existingSecret }}
    defaultMode: 0400
{{- end }}
{{- end }}

{{- define "cheeseshop.secretSources" -}}
{{- $all := .Values.secretFiles }}
{{- if eq .Values.store "external" }}
{{- with .Values.external.database }}
{{- $all = append $all (dict "name" "database-url" "existingSecret" .existingSecret "key" .key) }}
{{- end }}
{{- with .Values.external.s3 }}
{{- if not .machineRole }}
{{- $all = append $all (dict "name" "s3-secret-key" "existingSecret" .existingSecret "key" .key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $all }}
- secret:
    name: {{ .existingSecret }}
    items:
      - key: {{ .key }}
        path: {{ .name }}
{{- end }}
{{- end }}

{{- define "cheeseshop.claim" -}}
{{- default (printf "%s-data" (include "cheeseshop.fullname" .)) .Values.persistence.existingClaim }}
{{- end }}

{{- define "cheeseshop.backupClaim" -}}
{{- default (printf "%s-backup" (include "cheeseshop.fullname" .)) .Values.backup.existingClaim }}
{{- end }}

{{- define "cheeseshop.dataVolume" -}}
- name: data
{{- if eq .Values.store "embedded" }}
  persistentVolumeClaim:
    claimName: {{ include "cheeseshop.claim" . }}
{{- else }}
  emptyDir:
    sizeLimit: {{ .Values.external.spoolSize }}
{{- end }}
{{- end }}

{{/* Settings as TOML. toToml makes 14.0 of the 14 in a values file; JSON's texts, numbers and lists are TOML's. */}}
{{- define "cheeseshop.toml" -}}
{{- $database := dict }}
{{- $blobs := dict }}
{{- $more := dict }}
{{- if eq .Values.store "external" }}
{{- $_ := set $database "url_file" "/run/cheeseshop/secrets/database-url" }}
{{- with .Values.external.s3 }}
{{- $blobs = dict "kind" "s3" "bucket" .bucket }}
{{- range $key, $value := dict "endpoint" .endpoint "region" .region "prefix" .prefix "access_key" .accessKey }}
{{- if $value }}{{ $_ := set $blobs $key $value }}{{ end }}
{{- end }}
{{- if .machineRole }}
{{- $_ := set $blobs "machine_role" true }}
{{- else }}
{{- $_ := set $blobs "secret_key_file" "/run/cheeseshop/secrets/s3-secret-key" }}
{{- end }}
{{- if .allowHttp }}{{ $_ := set $blobs "allow_http" true }}{{ end }}
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- $_ := set $more "tls" (dict "certificate" "/run/cheeseshop/tls/tls.crt" "key" "/run/cheeseshop/tls/tls.key") }}
{{- end }}
{{- if .Values.backup.enabled }}
{{- $_ := set $more "backup" (dict "directory" "/var/backups/cheeseshop/store" "keep" .Values.backup.keep) }}
{{- end }}
{{- $_ := set $more "database" $database }}
{{- $_ := set $more "blobs" $blobs }}
{{- $all := mustMergeOverwrite (dict "log" (dict "format" "json")) (deepCopy .Values.settings) $more }}
{{- range $section, $keys := $all }}
{{- include "cheeseshop.section" (dict "name" $section "keys" $keys) }}
{{- end }}
{{- end }}

{{- define "cheeseshop.section" -}}
{{- $name := .name }}
{{- $keys := .keys }}
{{- if $keys }}
[{{ $name }}]
{{- range $key, $value := $keys }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- range $key, $value := $keys }}
{{- if kindIs "map" $value }}
{{ include "cheeseshop.section" (dict "name" (printf "%s.%s" $name $key) "keys" $value) }}
{{- end }}
{{- end }}
{{ end }}
{{- end }}

{{/* The pod of the server, of StatefulSet and Deployment alike. */}}
{{- define "cheeseshop.pod" -}}
metadata:
  labels:
    {{- include "cheeseshop.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Settings are read at the start.
    checksum/settings: {{ include "cheeseshop.toml" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "cheeseshop.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "cheeseshop.podSecurity" . | nindent 4 }}
  {{- include "cheeseshop.pullSecrets" . | nindent 2 }}
  containers:
    - name: cheeseshop
      image: {{ include "cheeseshop.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      securityContext:
        {{- include "cheeseshop.containerSecurity" . | nindent 8 }}
      env:
        {{- include "cheeseshop.env" . | nindent 8 }}
      ports:
        - name: http
          containerPort: 3141
      # Says nothing about the database: a restart would not mend that.
      livenessProbe:
        httpGet:
          path: /+health/live
          port: http
          scheme: {{ ternary "HTTPS" "HTTP" .Values.tls.enabled }}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: /+health/ready
          port: http
          scheme: {{ ternary "HTTPS" "HTTP" .Values.tls.enabled }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      startupProbe:
        httpGet:
          path: /+health/live
          port: http
          scheme: {{ ternary "HTTPS" "HTTP" .Values.tls.enabled }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: {{ div (add .Values.startupSeconds 4) 5 }}
      lifecycle:
        preStop:
          # Until nobody sends requests here any more.
          sleep:
            seconds: 5
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        {{- include "cheeseshop.mounts" . | nindent 8 }}
        {{- if .Values.rootPassword.existingSecret }}
        - name: root
          mountPath: /run/cheeseshop/root
          readOnly: true
        {{- end }}
  volumes:
    {{- include "cheeseshop.volumes" . | nindent 4 }}
    {{- if .Values.rootPassword.existingSecret }}
    {{- include "cheeseshop.rootVolume" . | nindent 4 }}
    {{- end }}
    {{- include "cheeseshop.dataVolume" . | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if eq .Values.store "external" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "cheeseshop.selector" . | nindent 10 }}
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "cheeseshop.selector" . | nindent 10 }}
  {{- end }}
{{- end }}

{{- define "cheeseshop.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A command beside the server: dict "root" $ "name" NAME "args" LIST "settings" of gc or backup. */}}
{{- define "cheeseshop.cronjob" -}}
{{- $root := .root }}
{{- $values := .root.Values }}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "cheeseshop.fullname" $root }}-{{ .name }}
  labels:
    {{- include "cheeseshop.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  schedule: {{ .settings.schedule | quote }}
  {{- with .settings.timeZone }}
  timeZone: {{ . }}
  {{- end }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 2
      activeDeadlineSeconds: 43200
      template:
        metadata:
          labels:
            {{- include "cheeseshop.names" $root | nindent 12 }}
            app.kubernetes.io/component: {{ .name }}
        spec:
          restartPolicy: Never
          serviceAccountName: {{ include "cheeseshop.serviceAccount" $root }}
          automountServiceAccountToken: false
          enableServiceLinks: false
          securityContext:
            {{- include "cheeseshop.podSecurity" $root | nindent 12 }}
          {{- include "cheeseshop.pullSecrets" $root | nindent 10 }}
          {{- if eq $values.store "embedded" }}
          # The volume belongs to one node: this runs where the server does, and waits when there is none.
          affinity:
            podAffinity:
              requiredDuringSchedulingIgnoredDuringExecution:
                - topologyKey: kubernetes.io/hostname
                  labelSelector:
                    matchLabels:
                      {{- include "cheeseshop.selector" $root | nindent 22 }}
          {{- end }}
          {{- with $values.nodeSelector }}
          nodeSelector:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $values.tolerations }}
          tolerations:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          containers:
            - name: {{ .name }}
              image: {{ include "cheeseshop.image" $root | quote }}
              imagePullPolicy: {{ $values.image.pullPolicy }}
              args: {{ toJson .args }}
              securityContext:
                {{- include "cheeseshop.containerSecurity" $root | nindent 16 }}
              env:
                {{- include "cheeseshop.env" $root | nindent 16 }}
              resources:
                {{- toYaml $values.jobResources | nindent 16 }}
              volumeMounts:
                {{- include "cheeseshop.mounts" $root | nindent 16 }}
                {{- if eq .name "backup" }}
                - name: backup
                  mountPath: /var/backups/cheeseshop
                {{- end }}
          volumes:
            {{- include "cheeseshop.volumes" $root | nindent 12 }}
            {{- include "cheeseshop.dataVolume" $root | nindent 12 }}
            {{- if eq .name "backup" }}
            - name: backup
              persistentVolumeClaim:
                claimName: {{ include "cheeseshop.backupClaim" $root }}
            {{- end }}
{{- end }}
