using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace PwWorkflows.Engine.Http;

/// <summary>Where workflows may send requests.</summary>
public sealed class OutboundHttpOptions
{
    /// <summary>Hosts that may be called although their address is not public, as "host", "host:port" or "*.domain".</summary>
    public ICollection<string> AllowedHosts { get; } = new List<string>();
    /// <summary>Longest time of a request, from 1 ms.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(100);
    /// <summary>Largest answer that is read, in bytes, from 1.</summary>
    public long MaxResponseBytes { get; set; } = 16 * 1024 * 1024;
}

/// <summary>Decides whether a workflow may call an address.</summary>
public interface IOutboundHttpGuard
{
    /// <summary>Why the address is refused, or null when it may be called. Asked before the request is sent.</summary>
    Task<string?> CheckAsync(Uri uri, CancellationToken ct);

    /// <summary>Why a connection to this address of a host is refused, or null. Asked with the very address that would be connected to, so a name that changes its address in between gains nothing.</summary>
    string? Check(string host, int port, IPAddress address);
}

/// <summary>Lets workflows call the public internet and what the operator has allowed: no loopback, link-local or private address, so that nobody who edits a workflow can reach the house's own services or a cloud's metadata.</summary>
public sealed class OutboundHttpGuard(IOptions<OutboundHttpOptions> options) : IOutboundHttpGuard
{
    /// <inheritdoc />
    public Task<string?> CheckAsync(Uri uri, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(uri);
        if (!uri.IsAbsoluteUri) return Task.FromResult<string?>($"'{uri}' is not an absolute address");
        if (uri.Scheme is not ("http" or "https")) return Task.FromResult<string?>($"scheme '{uri.Scheme}' is not http or https");
        if (uri.UserInfo.Length > 0) return Task.FromResult<string?>("the address holds a user name or password; use the Authorization input");
        return Task.FromResult(IPAddress.TryParse(uri.DnsSafeHost, out var literal) ? Check(uri.DnsSafeHost, uri.Port, literal) : null);
    }

    /// <inheritdoc />
    public string? Check(string host, int port, IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return IsPublic(address) || IsAllowed(host, port) ? null : $"{host} is at {address}, which is not a public address; the operator can allow the host";
    }

    private bool IsAllowed(string host, int port) => options.Value.AllowedHosts.Any(a =>
    {
        var allowed = a.Trim();
        if (allowed.StartsWith("*.", StringComparison.Ordinal)) return host.EndsWith(allowed[1..], StringComparison.OrdinalIgnoreCase);
        return string.Equals(allowed, host, StringComparison.OrdinalIgnoreCase) || string.Equals(allowed, $"{host}:{port}", StringComparison.OrdinalIgnoreCase);
    });

    /// <summary>Whether an address belongs to the public internet (IANA's special-purpose registries leave the rest out).</summary>
    internal static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            var v6 = address.GetAddressBytes();
            // Only 2000::/3 is handed out; 64:ff9b::/96 and 2002::/16 wrap IPv4 addresses, 2001::/23 and 2001:db8::/32 are special.
            if ((v6[0] & 0xE0) != 0x20) return false;
            if (v6[0] == 0x20 && v6[1] == 0x02) return IsPublic(new IPAddress(v6.AsSpan(2, 4)));
            return !(v6[0] == 0x20 && v6[1] == 0x01 && (v6[2] < 2 || v6[2] == 0x0D && v6[3] == 0xB8));
        }
        var b = address.GetAddressBytes();
        return !(b[0] is 0 or 10 or 127 or >= 224
            || b[0] == 100 && (b[1] & 0xC0) == 64
            || b[0] == 169 && b[1] == 254
            || b[0] == 172 && (b[1] & 0xF0) == 16
            || b[0] == 192 && (b[1] == 168 || b[1] == 0 && b[2] is 0 or 2)
            || b[0] == 198 && (b[1] is 18 or 19 || b[1] == 51 && b[2] == 100)
            || b[0] == 203 && b[1] == 0 && b[2] == 113);
    }
}

/// <summary>A workflow may not call this address.</summary>
public sealed class OutboundRefusedException(string reason) : Exception($"The request was refused: {reason}.")
{
    /// <summary>Why.</summary>
    public string Reason { get; } = reason;
}

/// <summary>Registers the HTTP client of workflows.</summary>
public static class OutboundHttp
{
    /// <summary>Name of the client.</summary>
    public const string ClientName = "Elsa";

    /// <summary>Adds the client "Elsa": guarded at connect, without redirects, cookies or proxy.</summary>
    public static IServiceCollection AddOutboundHttp(this IServiceCollection services, Action<OutboundHttpOptions>? configure = null)
    {
        services.AddOptions<OutboundHttpOptions>()
            .Validate(o => o.Timeout >= TimeSpan.FromMilliseconds(1), "OutboundHttp:Timeout must be at least 00:00:00.001.")
            .Validate(o => o.MaxResponseBytes is >= 1 and <= int.MaxValue, "OutboundHttp:MaxResponseBytes must be from 1 to 2147483647.");
        if (configure is not null) services.Configure(configure);
        services.AddSingleton<IOutboundHttpGuard, OutboundHttpGuard>();
        services.AddHttpClient(ClientName)
            .ConfigureHttpClient((sp, client) =>
            {
                var o = sp.GetRequiredService<IOptions<OutboundHttpOptions>>().Value;
                client.Timeout = o.Timeout;
                client.MaxResponseContentBufferSize = o.MaxResponseBytes;
            })
            .ConfigurePrimaryHttpMessageHandler(sp => CreateHandler(sp.GetRequiredService<IOutboundHttpGuard>()));
        return services;
    }

    /// <summary>A handler that connects only where the guard allows.</summary>
    public static SocketsHttpHandler CreateHandler(IOutboundHttpGuard guard) => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        AutomaticDecompression = DecompressionMethods.All,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        ConnectCallback = (context, ct) => ConnectAsync(guard, context.DnsEndPoint, ct),
    };

    private static async ValueTask<Stream> ConnectAsync(IOutboundHttpGuard guard, DnsEndPoint target, CancellationToken ct)
    {
        var addresses = IPAddress.TryParse(target.Host, out var literal) ? [literal] : await Dns.GetHostAddressesAsync(target.Host, ct);
        string? refused = null;
        Exception? failed = null;
        foreach (var address in addresses)
        {
            refused = guard.Check(target.Host, target.Port, address);
            // One refused address is enough: a name that points inside and outside is not trusted at all.
            if (refused is not null) throw new OutboundRefusedException(refused);
        }
        foreach (var address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, target.Port), ct);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (Exception e)
            {
                socket.Dispose();
                if (e is OperationCanceledException) throw;
                failed = e;
            }
        }
        throw failed ?? new SocketException((int)SocketError.HostNotFound);
    }
}
