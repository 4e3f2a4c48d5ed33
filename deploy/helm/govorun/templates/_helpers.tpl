{{- define "govorun.name" -}}
{{- if contains "govorun" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-govorun" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "govorun.selector" -}}
app.kubernetes.io/name: govorun
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "govorun.labels" -}}
{{ include "govorun.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "govorun.secret" -}}
{{ .Values.existingSecret | default (include "govorun.name" .) }}
{{- end }}

{{- define "govorun.account" -}}
{{ .Values.serviceAccount.name | default (include "govorun.name" .) }}
{{- end }}

{{- define "govorun.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The ways out that every pod needs: to names, and to the database. */}}
{{- define "govorun.egress" -}}
{{- $out := .Values.networkPolicy.egress -}}
- ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
  to:
    {{- toYaml $out.dns | nindent 4 }}
{{- if eq .Values.mode "many" }}
- ports:
    {{- range $out.postgresPorts }}
    - port: {{ . }}
    {{- end }}
  to:
    {{- toYaml $out.postgres | nindent 4 }}
{{- end }}
{{- end }}

{{- define "govorun.listens" -}}
{{- if or (eq .Values.mode "many") .Values.ingress.host }}yes{{ end }}
{{- end }}

{{/* Running answers end by themselves; the time before it is for the ways in to hear that the pod goes. */}}
{{- define "govorun.grace" -}}
{{ add (ceil (float64 (.Values.settings.SHUTDOWN_GRACE | default 20))) 20 }}
{{- end }}

{{- define "govorun.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "govorun.pod-security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* A pod of the bot. Takes a dict: root (the top), role, resources, data (true: a claim called data). */}}
{{- define "govorun.pod" -}}
{{- $root := .root -}}
{{- $listens := and (ne .role "worker") (include "govorun.listens" .root) -}}
metadata:
  labels:
    {{- include "govorun.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
  annotations:
    govorun/settings: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
    govorun/secrets: {{ include (print $root.Template.BasePath "/secret.yaml") $root | sha256sum }}
    {{- with $root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "govorun.account" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Process 1 is then not the bot: it hears SIGTERM from its first moment, and what its tools leave behind is reaped.
  shareProcessNamespace: true
  terminationGracePeriodSeconds: {{ include "govorun.grace" $root }}
  securityContext:
    {{- include "govorun.pod-security" $root | nindent 4 }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: govorun
      image: {{ include "govorun.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [run{{ if ne .role "all" }}, --role, {{ .role }}{{ end }}]
      envFrom:
        - configMapRef:
            name: {{ include "govorun.name" $root }}
        - secretRef:
            name: {{ include "govorun.secret" $root }}
      ports:
        - name: health
          containerPort: 8080
        {{- if $listens }}
        - name: webhook
          containerPort: 8443
        {{- end }}
      # A restart only for what it would mend.
      startupProbe:
        httpGet: {path: /livez, port: health}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /livez, port: health}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        {{- if $listens }}
        # Not /readyz: a webhook that is cut off while no updates come would never hear that they come again.
        tcpSocket: {port: webhook}
        {{- else }}
        httpGet: {path: /readyz, port: health}
        {{- end }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      {{- if $listens }}
      lifecycle:
        preStop:
          sleep: {seconds: 5}
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        {{- include "govorun.container-security" $root | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: /data
        - name: tmp
          mountPath: /tmp
        {{- if $root.Values.bots }}
        - name: bots
          mountPath: /etc/govorun/bots
          readOnly: true
        {{- end }}
        {{- if $root.Values.files }}
        - name: files
          mountPath: /files
          readOnly: true
        {{- end }}
        {{- with $root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- if and (eq .role "worker") $root.Values.knowledge.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ $root.Values.knowledge.existingClaim }}
    {{- else if not .data }}
    - name: data
      emptyDir: {sizeLimit: {{ if eq .role "worker" }}{{ $root.Values.knowledge.scratch }}{{ else }}64Mi{{ end }}}
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    {{- if $root.Values.bots }}
    - name: bots
      secret:
        secretName: {{ include "govorun.name" $root }}-bots
        defaultMode: 0440
    {{- end }}
    {{- if $root.Values.files }}
    - name: files
      configMap:
        name: {{ include "govorun.name" $root }}-files
    {{- end }}
    {{- with $root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if ne .role "all" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "govorun.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ .role }}
  {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
