using Elsa.Workflows;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using PwWorkflows.Activities.ErpNext;

namespace PwWorkflows.Activities.Notifications;

/// <summary>Registers mail and the administrators' work list.</summary>
public static class NotificationsRegistration
{
    /// <summary>Adds <see cref="IMailSender"/> and <see cref="IAdminToDos"/> with its outbox.</summary>
    public static IServiceCollection AddNotifications(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddErpNext();
        services.AddSettings<MailOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<MailPreviews>();
        services.AddScoped<IPropertyUIHandler, MailTemplateChoices>();
        services.TryAddSingleton<IMailSender, MailSender>();
        services.TryAddSingleton<AdminToDos>();
        services.TryAddSingleton<StuckInstances>();
        services.TryAddSingleton<IAdminToDos>(static p => p.GetRequiredService<AdminToDos>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, AdminToDoOutbox>());
        return services;
    }
}
