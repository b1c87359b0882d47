# Builds the server into an image that runs as nobody special, with the browser that files the forms.
FROM node:22-slim AS studio
WORKDIR /studio
COPY src/PwWorkflows.Server/package.json src/PwWorkflows.Server/package-lock.json ./
RUN npm ci --no-audit --no-fund

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY Directory.Build.props Directory.Packages.props global.json .editorconfig .env.sandbox ./
COPY src/PwWorkflows.Engine/*.csproj src/PwWorkflows.Engine/
COPY src/PwWorkflows.Activities/*.csproj src/PwWorkflows.Activities/
COPY src/PwWorkflows.Server/*.csproj src/PwWorkflows.Server/
RUN dotnet restore src/PwWorkflows.Server
COPY src src
COPY workflows workflows
COPY portals portals
COPY --from=studio /studio/node_modules src/PwWorkflows.Server/node_modules
RUN dotnet publish src/PwWorkflows.Server -c Release --no-restore -o /app

FROM mcr.microsoft.com/dotnet/aspnet:10.0 AS runtime

# Debian, because the base of Microsoft's images has no package of Chromium. The headless shell is the same browser without windows, at a third of the processor time.
FROM debian:bookworm-slim
COPY --from=runtime /usr/share/dotnet /usr/share/dotnet
# A few fonts, or the pages of the evidence would show boxes instead of letters.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates chromium-headless-shell curl fonts-liberation libicu72 libssl3 tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/share/dotnet/dotnet /usr/bin/dotnet \
    && useradd --system --create-home --uid 10001 pw \
    && mkdir /data && chown pw /data
WORKDIR /app
COPY --from=build /app ./
USER pw
ENV PW_DATA=/data PW_URLS=http://0.0.0.0:8080 DOTNET_CLI_TELEMETRY_OPTOUT=1
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 CMD curl -fsS http://127.0.0.1:8080/health
ENTRYPOINT ["dotnet", "pw.dll"]
CMD ["serve"]
